//! Driver, stages and callers together, with a scripted portal and a paused clock.

mod bench;
mod callers;
mod operating;
mod overview;
mod preparation;
mod rest;
mod retries;

use std::time::Duration;

use bitrix24::{CallError, Refusal};

use self::bench::{Bench, Told};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// The text of a call as a request has it.
fn message(text: &str) -> String {
    format!("{{\"MESSAGE\":\"{text}\"}}")
}

/// The refusal of a request as a whole.
fn refused(http_status: u16, code: &str) -> CallError {
    CallError::Refused(Refusal::of_call(http_status, code))
}
