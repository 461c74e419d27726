//! The ends of calls that alerts count: failures of the service itself, and unknown outcomes.

use tonic::Code;

use super::reason::{REASONS, ReasonRow, Retry};
use super::{code_name, error_source};
use crate::api::openlines::v1::ErrorReason as Reason;
use crate::metrics::End;
use bitrix24::Outcome;

/// Every end that an alert counts, and success, which failures are a share of; each with whose
/// failure it is. One too many is a series that stays at 0, one too few an alert that stays silent.
///
/// A call that only reads was never executed when it fails.
pub(crate) fn watched_ends(only_reads: bool) -> impl Iterator<Item = (End, &'static str)> {
    // A caller that has given up does not wait for a reason.
    let without_reason = [
        (Code::Ok, None, None),
        (Code::Cancelled, None, Some(Outcome::Unknown)),
    ];
    let of_reasons = REASONS.iter().flat_map(|row| {
        codes(row).flat_map(move |code| {
            let reason = Some(row.reason.as_str_name());
            let outcomes = outcomes(row).iter();
            outcomes.map(move |outcome| (code, reason, Some(*outcome)))
        })
    });
    let ends = without_reason.into_iter().chain(of_reasons);
    ends.filter_map(move |(code, reason, outcome)| {
        let code = code_name(code);
        let source = error_source(code, reason);
        let is_watched = matches!(outcome, None | Some(Outcome::Unknown)) || source == "facade";
        let is_possible = !only_reads || matches!(outcome, None | Some(Outcome::NotExecuted));
        let outcome = outcome.map(Outcome::as_str);
        let end = End {
            code,
            reason,
            outcome,
        };
        (is_watched && is_possible).then_some((end, source))
    })
}

/// The statuses of calls that fail for a reason.
fn codes(row: &ReasonRow) -> impl Iterator<Item = Code> + use<> {
    let late = (row.reason == Reason::OutcomeUnknown).then_some(Code::DeadlineExceeded);
    [Some(row.code), late].into_iter().flatten()
}

/// What a failure for a reason may leave, as far as its advice about retries says it.
fn outcomes(row: &ReasonRow) -> &'static [Outcome] {
    match row.retry {
        // It is safe to send again, but a tenant may have been changed.
        _ if row.reason == Reason::StoreUnavailable => &[Outcome::NotExecuted, Outcome::Unknown],
        Retry::Safe | Retry::AfterWait | Retry::AfterFix => &[Outcome::NotExecuted],
        Retry::SeeOutcome => &[Outcome::NotExecuted, Outcome::Unknown],
        Retry::MayDuplicate => &[Outcome::Executed, Outcome::Unknown],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::{CallIdentity, Progress};
    use crate::error::{Administration, Error, Interruption};
    use bitrix24::{CallError, Unanswered};

    fn lines(only_reads: bool) -> Vec<String> {
        let ends = watched_ends(only_reads).map(|(end, source)| {
            let reason = end.reason.unwrap_or("-");
            let reason = reason.trim_start_matches("ERROR_REASON_");
            let outcome = end.outcome.unwrap_or("-");
            format!("{} {reason} {outcome} {source}", end.code)
        });
        ends.collect()
    }

    #[test]
    fn alerts_count_failures_of_the_service_and_unknown_outcomes() {
        let expected = [
            "OK - - ",
            "CANCELLED - unknown caller",
            "UNAVAILABLE SHUTTING_DOWN not_executed facade",
            "INTERNAL INTERNAL not_executed facade",
            "INTERNAL INTERNAL unknown facade",
            "UNKNOWN OUTCOME_UNKNOWN unknown portal",
            "DEADLINE_EXCEEDED OUTCOME_UNKNOWN unknown portal",
            "UNKNOWN ANSWER_NOT_UNDERSTOOD executed facade",
            "UNKNOWN ANSWER_NOT_UNDERSTOOD unknown facade",
            "UNKNOWN UNDOCUMENTED_CODE unknown portal",
            "UNAVAILABLE STORE_UNAVAILABLE unknown operator",
        ];
        assert_eq!(lines(false), expected);
    }

    #[test]
    fn a_call_that_only_reads_leaves_nothing_unknown() {
        let expected = [
            "OK - - ",
            "UNAVAILABLE SHUTTING_DOWN not_executed facade",
            "INTERNAL INTERNAL not_executed facade",
        ];
        assert_eq!(lines(true), expected);
    }

    #[test]
    fn failures_that_alerts_count_end_as_the_table_of_reasons_says() {
        let interrupted = [
            Interruption::Panicked,
            Interruption::TimedOut,
            Interruption::Terminated,
        ]
        .into_iter()
        .flat_map(|why| {
            [Progress::NotStarted, Progress::Sent, Progress::Changing]
                .map(|progress| Error::interrupted(why, progress))
        });
        let unwritten = Administration::StoreUnavailable {
            outcome: Outcome::Unknown,
        };
        let others = [
            Error::ResultMissing,
            Error::AnswerNotUnderstood,
            Error::ShuttingDown,
            CallError::from(Unanswered::ConnectionLost).into(),
            unwritten.into(),
        ];
        let mut counted = 0;
        for error in interrupted.chain(others) {
            let told = format!("{error:?}");
            let failure = error.into_failure(&CallIdentity::default());
            let reason = failure.reason().as_str_name();
            let end = End {
                code: failure.code_name(),
                reason: Some(reason),
                outcome: Some(failure.outcome.as_str()),
            };
            if failure.outcome == Outcome::Unknown || error_source(end.code, end.reason) == "facade"
            {
                counted += 1;
                assert!(watched_ends(false).any(|(known, _)| known == end), "{told}");
            }
        }
        assert_eq!(counted, 13);
    }
}
