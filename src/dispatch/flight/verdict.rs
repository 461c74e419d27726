//! What becomes of a call after a request.

use tokio::time::Instant;

use crate::dispatch::job::Delivered;
use crate::dispatch::send_error::SendError;

/// What becomes of a call.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It has ended.
    Ended(Box<Result<Delivered, SendError>>),
    /// It was certainly not executed and is sent again, not before this moment.
    Again(Option<Instant>),
    /// It was certainly not executed and is sent to another portal.
    Elsewhere,
}
