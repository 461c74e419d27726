//! What to do with a call after its request.

use std::time::Instant;

use crate::dispatch::job::Delivered;
use crate::dispatch::send_error::SendError;

/// What to do with a call.
#[derive(Debug)]
pub(super) enum Disposition {
    /// Return the result to the caller.
    Finish(Box<Result<Delivered, SendError>>),
    /// It was definitely not executed: retry, not before this moment.
    Retry(Option<Instant>),
    /// It was definitely not executed: send it to another portal.
    Reroute,
}
