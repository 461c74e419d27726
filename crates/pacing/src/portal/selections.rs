//! The calls that are being prepared, and those that are prepared and wait for a permit.

use std::collections::VecDeque;

use crate::Selection;

/// The selections of a portal that have no permit yet.
#[derive(Debug)]
pub(super) struct Selections<J> {
    /// How many there are whose calls are recorded. Recording may take long, so other calls do not
    /// leave them a permit or one of the parallel requests.
    recorded: usize,
    /// How many others there are.
    unrecorded: usize,
    /// The prepared ones among them, in the order in which they get permits.
    pub(super) prepared: VecDeque<Selection<J>>,
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

    pub(super) fn count(&mut self, is_recorded: bool) -> &mut usize {
        if is_recorded {
            &mut self.recorded
        } else {
            &mut self.unrecorded
        }
    }
}
