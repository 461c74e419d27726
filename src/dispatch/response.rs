//! What comes back for a request.

use bitrix24::{Answer, CallError};

/// The response to a request.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) http_status: u16,
    /// The results, in the order of the calls.
    pub(super) results: Vec<Result<Answer, CallError>>,
}
