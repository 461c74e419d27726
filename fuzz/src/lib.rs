//! What each fuzz target does with bytes that somebody else wrote, and what must then hold.
//!
//! `tests/it/fuzzing.rs` of the service runs the same functions over the corpus.

mod address;
mod batch_answer;
mod event_form;
mod parameters;
mod portal_answer;
mod settings_file;

pub use address::address;
pub use batch_answer::batch_answer;
pub use event_form::event_form;
pub use parameters::parameters;
pub use portal_answer::portal_answer;
pub use settings_file::settings_file;

/// The HTTP statuses that a response can have, by the first byte of the input.
const STATUSES: [u16; 16] = [
    200, 200, 201, 204, 301, 302, 308, 400, 401, 403, 404, 429, 500, 502, 503, 600,
];

/// The status that the first byte of the input selects, and the rest of the input.
///
/// The first statuses are digits and letters in a corpus that people read: `0` is 200.
fn status_and_body(data: &[u8]) -> Option<(u16, &[u8])> {
    let (first, body) = data.split_first()?;
    let index = usize::from(first.wrapping_sub(b'0')) % STATUSES.len();
    Some((STATUSES[index], body))
}

/// Longest message and details of a status, in bytes: gRPC libraries accept 8 KiB of headers, and
/// the wire form is longer by a third (details) or up to three times (message).
fn check_size(status: &tonic::Status) {
    assert!(
        status.message().len() <= 1024,
        "{} bytes",
        status.message().len()
    );
    assert!(
        status.details().len() <= 3 * 1024,
        "{} bytes",
        status.details().len()
    );
}
