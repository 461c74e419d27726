//! The calls that are being prepared, and those that are prepared and wait for a permit.

use std::collections::VecDeque;

use super::state::Portal;
use crate::{Selection, TenantKey, Waiting};

/// The selections of a portal that have no permit yet.
#[derive(Debug)]
pub(super) struct Selections<J> {
    /// How many there are whose calls are recorded. Recording may take long, so other calls do not
    /// leave them a permit or one of the parallel requests.
    recorded: usize,
    /// How many others there are.
    unrecorded: usize,
    /// The prepared ones among them, in the order in which they get permits.
    prepared: VecDeque<Selection<J>>,
}

impl<J> Selections<J> {
    pub(super) fn new() -> Self {
        Self {
            recorded: 0,
            unrecorded: 0,
            prepared: VecDeque::new(),
        }
    }

    /// How many need a permit before one that is selected now.
    pub(super) fn before(&self, is_recorded: bool) -> usize {
        if is_recorded {
            self.recorded + self.unrecorded
        } else {
            self.unrecorded
        }
    }

    pub(super) fn is_any_recorded(&self) -> bool {
        self.recorded > 0
    }

    pub(super) fn is_empty(&self) -> bool {
        self.recorded + self.unrecorded == 0
    }

    /// How many wait for nothing but a permit.
    pub(super) fn prepared(&self) -> usize {
        self.prepared.len()
    }

    fn count(&mut self, is_recorded: bool) -> &mut usize {
        if is_recorded {
            &mut self.recorded
        } else {
            &mut self.unrecorded
        }
    }
}

impl<J> Portal<J> {
    /// Takes the calls of [`Next::Prepare`](super::Next::Prepare) back. They get the next permits,
    /// in the order in which they come back. A selection without calls has ended.
    pub fn prepared(&mut self, selection: Selection<J>) {
        let mut selection = selection;
        let removed = std::mem::take(&mut selection.removed);
        self.left_out(&removed);
        if selection.calls.is_empty() {
            self.end_selection(&selection);
        } else {
            self.selections.prepared.push_back(selection);
        }
    }

    /// These calls of a request are not sent after all.
    pub fn left_out(&mut self, calls: &[(TenantKey, &'static str)]) {
        if self.operating_limit().is_some() {
            for (tenant, method) in calls {
                self.operating.completed(tenant, method);
            }
        }
    }

    pub(super) fn selected(&mut self, calls: Vec<Waiting<J>>) -> Selection<J> {
        let selection = Selection::of(calls);
        *self.selections.count(selection.is_recorded) += 1;
        selection
    }

    /// The prepared calls that get the next permit.
    pub(super) fn take_prepared(&mut self) -> Option<Selection<J>> {
        let selection = self.selections.prepared.pop_front()?;
        self.leave(selection.is_recorded);
        Some(selection)
    }

    /// Ends every prepared selection and returns its calls.
    pub(super) fn clear_prepared(&mut self) -> Vec<Waiting<J>> {
        let mut calls = Vec::new();
        for mut selection in std::mem::take(&mut self.selections.prepared) {
            calls.append(&mut selection.take_out(|_| true));
            self.left_out(&selection.removed);
            self.end_selection(&selection);
        }
        calls
    }

    fn end_selection(&mut self, selection: &Selection<J>) {
        self.leave(selection.is_recorded);
        self.queue.complete(&selection.conversations);
    }

    fn leave(&mut self, is_recorded: bool) {
        let count = self.selections.count(is_recorded);
        *count = count.saturating_sub(1);
        if is_recorded {
            self.queue.resume();
        }
    }
}
