//! Proof that a request may be sent now.

use std::time::Instant;

use crate::{CallNumber, Waiting};

/// A request of a portal.
pub type RequestNumber = u64;

/// One or more calls of a tenant that are prepared and may be sent in one request now. Only
/// [`Portal::next`](crate::Portal::next) makes it, and sending consumes it.
#[derive(Debug)]
pub struct Permit<J> {
    request: RequestNumber,
    send_by: Instant,
    calls: Vec<Waiting<J>>,
}

impl<J> Permit<J> {
    pub(crate) fn new(request: RequestNumber, send_by: Instant, calls: Vec<Waiting<J>>) -> Self {
        Self {
            request,
            send_by,
            calls,
        }
    }

    /// When the request must have left, or its answer would come after a deadline.
    pub fn send_by(&self) -> Instant {
        self.send_by
    }

    /// Whether it is for this call alone.
    pub fn is_only(&self, number: CallNumber) -> bool {
        matches!(&*self.calls, [only] if only.info.number == number)
    }

    /// The number of the request, and its calls in their order of execution.
    pub fn into_parts(self) -> (RequestNumber, Vec<Waiting<J>>) {
        (self.request, self.calls)
    }
}
