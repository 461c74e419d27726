//! What becomes of a call after a request.

use tokio::time::Instant;

use crate::dispatch::job::Delivered;
use crate::dispatch::ledger::Recorded;
use crate::dispatch::send_error::SendError;

/// What becomes of a call.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It has ended, and this goes into the ledger.
    Ended(Result<Delivered, SendError>, Option<Recorded>),
    /// It was certainly not executed and is sent again, not before this moment.
    Again(Option<Instant>),
    /// It was certainly not executed and is sent to another portal.
    Elsewhere,
}
