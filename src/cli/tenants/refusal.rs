//! A failing status, for people.

use std::fmt::Write;
use std::time::Duration;

use tonic::Status;
use tonic_types::StatusExt;

use super::output::Output;
use crate::api::json;
use crate::api::openlines::v1::ErrorReason as Reason;
use crate::cli::Failure;
use crate::error;
use crate::error::reason::row;

/// What is written of a call that failed.
pub(super) fn of(status: &Status, output: Output) -> Failure {
    if output == Output::Json
        && !status.details().is_empty()
        && let Ok(json) = json::of_status(status)
    {
        return json.into();
    }
    readable(status).into()
}

fn readable(status: &Status) -> String {
    let details = status.get_error_details();
    let code = error::code_name(status.code());
    let reason = details
        .error_info()
        .and_then(|info| Reason::from_str_name(&info.reason));
    let mut text = match reason {
        None => format!("{code}: {}", status.message()),
        Some(reason) => {
            let name = reason.as_str_name().trim_start_matches("ERROR_REASON_");
            format!("{code}, {name}: {}", status.message())
        }
    };
    for violation in details
        .bad_request()
        .iter()
        .flat_map(|bad| &bad.field_violations)
    {
        // Writing into a text cannot fail, here and below.
        let _ = write!(text, "\n  {}: {}", violation.field, violation.description);
    }
    if let Some(reason) = reason {
        let _ = write!(text, "\n  {}", row(reason).remedy);
    }
    if let Some(delay) = details.retry_info().and_then(|retry| retry.retry_delay) {
        let _ = write!(text, "\n  Repeat after {}.", seconds(delay));
    }
    if let Some(request) = details.request_info() {
        let _ = write!(text, "\n  Request id: {}", request.request_id);
    }
    text
}

fn seconds(delay: Duration) -> String {
    match delay.as_secs() {
        1 => "1 second".to_owned(),
        seconds => format!("{seconds} seconds"),
    }
}
