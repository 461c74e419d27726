//! The first stage of a request: everything is ready except the permit.

use super::job::Job;
use crate::tenant::Opened;
use pacing::Selection;

/// Calls whose rows are in the ledger, if they have claims, and whose token is valid. They have no
/// permit: nothing that waits for the ledger or a token may hold one.
#[derive(Debug)]
pub(super) struct Prepared(Selection<Box<Job>>);

impl Prepared {
    /// The usual case: there is no claim, and the token is valid, so nothing is to be awaited.
    ///
    /// # Errors
    ///
    /// The calls, if something is.
    pub(super) fn at_once(selection: Selection<Box<Job>>) -> Result<Self, Selection<Box<Job>>> {
        let first = selection.jobs().next();
        let is_valid = first.is_none_or(|first| first.opened.is_valid());
        if is_valid && !selection.is_recorded() {
            Ok(Self(selection))
        } else {
            Err(selection)
        }
    }

    /// Calls that are in the ledger, with a token.
    pub(super) fn with(selection: Selection<Box<Job>>, opened: &Opened) -> Self {
        let mut selection = selection;
        for job in selection.jobs_mut() {
            job.opened = opened.clone();
        }
        Self(selection)
    }

    /// No call is left to send.
    pub(super) fn nothing(
        selection: Selection<Box<Job>>,
    ) -> (Self, Vec<pacing::Waiting<Box<Job>>>) {
        let mut selection = selection;
        let left = selection.take_out(|_| true);
        (Self(selection), left)
    }

    /// The calls, for the portal to issue a permit.
    pub(super) fn into_selection(self) -> Selection<Box<Job>> {
        self.0
    }
}
