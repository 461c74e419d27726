//! Calls that come back prepared, and those that leave before they are sent.

use super::state::Portal;
use crate::{RequestNumber, Selection, TenantKey, Waiting};

impl<J> Portal<J> {
    /// Takes the calls of [`Next::Prepare`](super::Next::Prepare) back. They get the next permits,
    /// in the order in which they come back. A selection without calls has ended.
    pub fn prepared(&mut self, selection: Selection<J>) {
        let mut selection = selection;
        let removed = std::mem::take(&mut selection.removed);
        self.complete_operating(&removed, selection.is_batch, false);
        if selection.calls.is_empty() {
            self.end_selection(&selection);
        } else {
            self.selections.prepared.push_back(selection);
        }
    }

    /// These calls of a request with a permit are not sent after all.
    pub fn left_out(&mut self, request: RequestNumber, calls: &[(TenantKey, &'static str)]) {
        let is_batch = self.requests.leave_out(request, calls);
        self.complete_operating(calls, is_batch, false);
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
            self.complete_operating(&selection.removed, selection.is_batch, false);
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
