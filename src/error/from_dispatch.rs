//! The failure of a call that is not sent now, as reported to the caller.

use std::time::Duration;

use super::failure::{Failure, time};
use super::from_tenant;
use crate::api::openlines::v1::ErrorReason as Reason;
use crate::dispatch::{LedgerFailure, NotAdmitted, WeeklyLimit};
use bitrix24::Outcome;
use pacing::Rejection;

pub(super) fn not_admitted(why: NotAdmitted) -> Failure {
    match why {
        NotAdmitted::Rejected(why) => rejected(why),
        NotAdmitted::Ledger(why) => not_in_ledger(why),
        NotAdmitted::Access(error) => from_tenant::not_opened(error),
        NotAdmitted::WeeklyLimit(limit) => weekly_limit(limit),
    }
}

fn rejected(why: Rejection) -> Failure {
    match why {
        Rejection::DeadlinePassed => Failure::of_facade(
            Reason::DeadlineBeforeSend,
            "the deadline passed before the request could be sent; nothing was sent",
        ),
        Rejection::QueueFull { retry_after } => passing(
            Reason::QueueFull,
            "the queue is full, for this portal or overall; nothing was sent".to_owned(),
            retry_after,
        ),
        Rejection::ShareExceeded { retry_after } => passing(
            Reason::CallerShareExceeded,
            "the caller has too many calls that wait for portals; nothing was sent".to_owned(),
            retry_after,
        ),
        Rejection::WaitTooLong {
            expected,
            retry_after,
        } => passing(
            Reason::WaitExceedsDeadline,
            format!(
                "at the portal's limits the response would take about {} s, past the call's deadline; nothing \
                 was sent",
                whole_seconds(expected)
            ),
            retry_after,
        ),
        Rejection::OperatingLimit { retry_after } => passing(
            Reason::OperatingLimit,
            "the method has used up its operating time on the portal, as the portal reports; nothing was sent"
                .to_owned(),
            retry_after,
        ),
        Rejection::BreakerOpen { retry_after } => passing(
            Reason::PortalNotAnswering,
            "the circuit breaker is open: the portal did not respond to the last requests; nothing was sent".to_owned(),
            retry_after,
        ),
        Rejection::ConversationHeld { retry_after } => passing(
            Reason::ConversationHeld,
            format!(
                "the portal did not respond to an earlier request to the conversation and may still execute it, for up to {} s; nothing was sent",
                whole_seconds(retry_after)
            ),
            retry_after,
        ),
    }
}

fn not_in_ledger(why: LedgerFailure) -> Failure {
    match why {
        LedgerFailure::Unavailable => from_tenant::store_unavailable(),
        LedgerFailure::Reused => Failure::of_facade(
            Reason::RequestIdReused,
            "request_id was used for a different request of this tenant; nothing was sent",
        ),
        LedgerFailure::StillRunning => Failure {
            outcome: Outcome::Unknown,
            timed_out: true,
            ..Failure::of_facade(
                Reason::OutcomeUnknown,
                "an earlier attempt with the same request_id was still in progress at the deadline; this one was not sent",
            )
        },
        LedgerFailure::Unknown => Failure {
            outcome: Outcome::Unknown,
            ..Failure::of_facade(
                Reason::OutcomeUnknown,
                "an earlier attempt with the same request_id may or may not have delivered the message; this one was not sent",
            )
        },
    }
}

fn weekly_limit(limit: WeeklyLimit) -> Failure {
    let (accepted, until) = (time(limit.accepted_at), time(limit.until));
    Failure {
        weekly_limit: Some(limit),
        ..Failure::of_facade(
            Reason::RecipientWeeklyLimit,
            format!(
                "by this service's own record the portal accepted a message to this user on this line at {accepted}, \
                 and refuses another one at least until {until}; nothing was sent"
            ),
        )
    }
}

fn passing(reason: Reason, message: String, retry_after: Duration) -> Failure {
    Failure {
        retry_delay: Some(retry_after),
        ..Failure::of_facade(reason, message)
    }
}

/// Rounded up.
fn whole_seconds(duration: Duration) -> u64 {
    duration
        .as_millis()
        .div_ceil(1000)
        .try_into()
        .unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use tonic_types::StatusExt;

    use super::*;
    use crate::call::CallIdentity;
    use crate::error::{Error, code_name};

    /// Code, reason and outcome in a line, the delay of `RetryInfo`, the pushback in milliseconds.
    fn told(why: impl Into<NotAdmitted>) -> (String, Option<Duration>, Option<String>) {
        let status = Error::from(why.into())
            .into_failure(&CallIdentity::default())
            .into_status(&CallIdentity::default());
        let details = status.get_error_details();
        let info = details.error_info().unwrap();
        let pushback = status.metadata().get("grpc-retry-pushback-ms");
        (
            format!(
                "{} {} {}",
                code_name(status.code()),
                info.reason.trim_start_matches("ERROR_REASON_"),
                info.metadata["outcome"]
            ),
            details.retry_info().and_then(|info| info.retry_delay),
            pushback.map(|value| value.to_str().unwrap().to_owned()),
        )
    }

    #[test]
    fn a_call_that_is_not_admitted_learns_when_to_retry() {
        let retry_after = Duration::from_millis(1500);
        for (why, expected) in [
            (
                Rejection::QueueFull { retry_after },
                "RESOURCE_EXHAUSTED QUEUE_FULL not_executed",
            ),
            (
                Rejection::WaitTooLong {
                    expected: Duration::from_secs(40),
                    retry_after,
                },
                "RESOURCE_EXHAUSTED WAIT_EXCEEDS_DEADLINE not_executed",
            ),
            (
                Rejection::OperatingLimit { retry_after },
                "RESOURCE_EXHAUSTED OPERATING_LIMIT not_executed",
            ),
            (
                Rejection::BreakerOpen { retry_after },
                "UNAVAILABLE PORTAL_NOT_ANSWERING not_executed",
            ),
            (
                Rejection::ConversationHeld { retry_after },
                "UNAVAILABLE CONVERSATION_HELD not_executed",
            ),
        ] {
            let expected = (
                expected.to_owned(),
                Some(retry_after),
                Some("1500".to_owned()),
            );
            assert_eq!(told(why), expected);
        }
    }

    #[test]
    fn a_guarded_message_says_whose_record_it_is_and_promises_no_time() {
        let at = |text: &str| text.parse().unwrap();
        let limit = WeeklyLimit {
            accepted_at: at("2026-03-03T08:00:00.75Z"),
            until: at("2026-03-06T09:00:00Z"),
        };
        let (line, delay, pushback) = told(limit);
        let expected = "RESOURCE_EXHAUSTED RECIPIENT_WEEKLY_LIMIT not_executed";
        assert_eq!((line.as_str(), delay, pushback), (expected, None, None));
        let call = CallIdentity::default();
        let status = Error::from(NotAdmitted::from(limit))
            .into_failure(&call)
            .into_status(&call);
        let details = status.get_error_details();
        let metadata = &details.error_info().unwrap().metadata;
        assert_eq!(metadata["errorSource"], "facade");
        assert_eq!(metadata["acceptedTime"], "2026-03-03T08:00:00Z");
        assert_eq!(metadata["guardedUntil"], "2026-03-06T09:00:00Z");
        assert!(status.message().contains("this service's own record"));
    }

    #[test]
    fn a_refused_idempotency_key_says_what_is_known_of_it() {
        let second = Some(Duration::from_secs(1));
        for (why, expected, delay) in [
            (
                LedgerFailure::Unavailable,
                "UNAVAILABLE STORE_UNAVAILABLE not_executed",
                second,
            ),
            (
                LedgerFailure::Reused,
                "FAILED_PRECONDITION REQUEST_ID_REUSED not_executed",
                None,
            ),
            (
                LedgerFailure::StillRunning,
                "DEADLINE_EXCEEDED OUTCOME_UNKNOWN unknown",
                None,
            ),
            (
                LedgerFailure::Unknown,
                "UNKNOWN OUTCOME_UNKNOWN unknown",
                None,
            ),
        ] {
            let (line, told_delay, _) = told(why);
            assert_eq!((line.as_str(), told_delay), (expected, delay));
        }
    }
}
