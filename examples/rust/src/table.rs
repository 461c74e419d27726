//! The lines that the example prints.

use prost::{DecodeError, Message as _};
use prost_types::Any;
use tonic::{Code, Status};
use tonic_types::{RpcStatusExt as _, pb};

use crate::openlines::Bitrix24Error;

/// Reads a detail as a message of its own type.
fn show(detail: &Any) -> Result<String, DecodeError> {
    let value = detail.value.as_slice();
    let name = detail.type_url.rsplit('/').next().unwrap_or_default();
    Ok(match name {
        "google.rpc.ErrorInfo" => {
            let metadata = pb::ErrorInfo::decode(value)?.metadata;
            let of = |key: &str| metadata.get(key).cloned().unwrap_or_default();
            format!(
                "ErrorInfo source={} outcome={}",
                of("errorSource"),
                of("outcome")
            )
        }
        "google.rpc.RequestInfo" => "RequestInfo".to_owned(),
        "openlines.v1.Bitrix24Error" => {
            format!("Bitrix24Error code={}", Bitrix24Error::decode(value)?.code)
        }
        "google.rpc.BadRequest" => {
            let violations = pb::BadRequest::decode(value)?.field_violations;
            let fields: Vec<_> = violations
                .into_iter()
                .map(|violation| violation.field)
                .collect();
            format!("BadRequest fields={}", fields.join(","))
        }
        "google.rpc.PreconditionFailure" => {
            let violations = pb::PreconditionFailure::decode(value)?.violations;
            let kind = violations.into_iter().next().unwrap_or_default().r#type;
            format!("PreconditionFailure type={kind}")
        }
        "google.rpc.QuotaFailure" => {
            let violations = pb::QuotaFailure::decode(value)?.violations;
            let subject = violations.into_iter().next().unwrap_or_default().subject;
            format!("QuotaFailure subject={subject}")
        }
        "google.rpc.RetryInfo" => {
            let delay = pb::RetryInfo::decode(value)?
                .retry_delay
                .unwrap_or_default();
            format!("RetryInfo seconds={}", delay.seconds)
        }
        "google.rpc.ResourceInfo" => {
            format!(
                "ResourceInfo name={}",
                pb::ResourceInfo::decode(value)?.resource_name
            )
        }
        "google.rpc.Help" => format!("Help links={}", pb::Help::decode(value)?.links.len()),
        _ => detail.type_url.clone(),
    })
}

pub fn success(case: &str, detail: &str) {
    println!("{case} | OK | - | - | {detail}");
}

/// Whether a call may have been executed is in ErrorInfo. A status without it comes from tonic.
pub fn failure(case: &str, status: &pb::Status) -> Result<(), DecodeError> {
    let info = status.get_details_error_info();
    let outcome = info.as_ref().and_then(|info| info.metadata.get("outcome"));
    let safe = if outcome.is_some_and(|outcome| outcome == "not_executed") {
        "yes"
    } else {
        "with request_id"
    };
    let reason = info.as_ref().map_or("-", |info| info.reason.as_str());
    let shown = status
        .details
        .iter()
        .map(show)
        .collect::<Result<Vec<_>, _>>()?;
    let details = if shown.is_empty() {
        "-".to_owned()
    } else {
        shown.join("; ")
    };
    println!(
        "{case} | {} | {reason} | {safe} | {details}",
        name(Code::from_i32(status.code))
    );
    Ok(())
}

/// `FailedPrecondition` as gRPC spells it, `FAILED_PRECONDITION`.
pub fn name(code: Code) -> String {
    let mut name = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

/// The end of a call that is expected to fail.
pub fn refused<A>(case: &str, answer: Result<A, Status>) -> Result<(), DecodeError> {
    let Err(status) = answer else {
        success(case, "a failure was expected");
        return Ok(());
    };
    // The status with its details; one that tonic made has none.
    let details = match status.details() {
        [] => pb::Status {
            code: status.code().into(),
            ..Default::default()
        },
        details => pb::Status::decode(details)?,
    };
    failure(case, &details)
}
