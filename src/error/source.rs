//! Whose failure a failed call is, for metrics and alerts.
//!
//! It follows from who must act (`reason.rs`). The metadata `errorSource` is another thing: it
//! tells a caller whether this service or Bitrix24 decided that the call fails.

use super::reason::{Responsible, row};
use crate::api::openlines::v1::ErrorReason as Reason;

/// `caller`, `portal`, `facade` or `operator`; empty for a call that succeeded.
pub(crate) fn error_source(code: &str, reason: Option<&str>) -> &'static str {
    match (code, reason.map(Reason::from_str_name)) {
        ("OK", _) => "",
        (_, Some(Some(reason))) => of_reason(reason),
        // It disconnected before there was a reason.
        ("CANCELLED", _) => "caller",
        // Every failure has a reason; one without is a bug.
        (_, Some(None) | None) => "facade",
    }
}

fn of_reason(reason: Reason) -> &'static str {
    if reason == Reason::ShuttingDown {
        return "facade";
    }
    // The caller, the operator or a developer must act, and yet it was the portal.
    let of_portal = [
        Reason::OutcomeUnknown,
        Reason::PortalUnreachable,
        Reason::UndocumentedCode,
    ];
    if of_portal.contains(&reason) {
        return "portal";
    }
    match row(reason).actor {
        Responsible::CallerDeveloper => "caller",
        Responsible::Operator => "operator",
        // Limits of the portal pass with time.
        Responsible::PortalAdministrator | Responsible::Bitrix24Support | Responsible::Time => {
            "portal"
        }
        Responsible::ServiceDeveloper => "facade",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::reason::REASONS;

    /// The reasons of each source, as docs/metrics.md has them.
    fn reasons_of(source: &str) -> Vec<&'static str> {
        let rows = REASONS.iter().map(|row| row.reason.as_str_name());
        rows.filter(|name| error_source("INTERNAL", Some(name)) == source)
            .collect()
    }

    #[test]
    fn every_reason_has_a_source() {
        let sources = ["caller", "portal", "facade", "operator"];
        let of_all = sources.map(|source| reasons_of(source).len());
        assert_eq!(of_all.iter().sum::<usize>(), REASONS.len());
        assert!(of_all.iter().all(|reasons| *reasons > 0), "{of_all:?}");
    }

    #[test]
    fn failures_of_the_service_itself_are_few() {
        let expected = [
            "ERROR_REASON_SHUTTING_DOWN",
            "ERROR_REASON_INTERNAL",
            "ERROR_REASON_ANSWER_NOT_UNDERSTOOD",
        ];
        assert_eq!(reasons_of("facade"), expected);
    }

    #[test]
    fn a_call_without_a_reason_has_a_source_by_its_status() {
        assert_eq!(error_source("OK", None), "");
        assert_eq!(error_source("CANCELLED", None), "caller");
        assert_eq!(error_source("UNKNOWN", None), "facade");
    }
}
