//! What an answer means: whether the line has its end, or is to be sent once more.

use std::time::Duration;

use prost::Message;
use tonic::Status;
use tonic_types::pb;

use super::totals::State;
use crate::api::openlines::v1::ErrorReason as Reason;
use crate::api::openlines::v1::connector_message_result::Outcome;
use crate::api::openlines::v1::streaming_send_messages_response::Result as Answer;
use crate::error::reason::{Retry, row};
use crate::error::{is_unknown, rpc_status};

/// How long a line waits that is to be sent once more, if nothing says how long.
const PAUSE: Duration = Duration::from_secs(1);

/// The longest wait within a run: what takes longer is left to a later run. A portal gives back
/// operating time within ten minutes; lines that wait for it hold up those behind them, which would
/// be refused, too.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// What to do with a line, or a stream, that got an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    End(State),
    /// Worth another attempt after this time; if there are no more, it ends so.
    Again(Duration, State),
}

/// What an answer means.
pub(super) fn of_answer(answer: &Answer) -> Verdict {
    match answer {
        Answer::CrmMessage(_) | Answer::NetworkMessage(_) => Verdict::End(State::Sent),
        Answer::ConnectorMessages(response) => {
            let errors = response
                .results
                .iter()
                .filter_map(|result| match &result.outcome {
                    Some(Outcome::Error(error)) => Some(is_unknown(error)),
                    Some(Outcome::Accepted(_)) | None => None,
                });
            // A repeat would get the same response.
            Verdict::End(match errors.reduce(|all, one| all && one) {
                None => State::Sent,
                Some(true) => State::Unknown,
                Some(false) => State::Failed,
            })
        }
        Answer::Error(error) => of_error(error),
    }
}

/// What a failure means.
pub(super) fn of_error(error: &pb::Status) -> Verdict {
    let Some(info) = detail::<pb::ErrorInfo>(error, "google.rpc.ErrorInfo") else {
        // Not from the service itself: nothing is known.
        return Verdict::Again(PAUSE, State::Unknown);
    };
    match info.metadata.get("outcome").map(String::as_str) {
        Some("executed") => return Verdict::End(State::Sent),
        Some("not_executed") => {}
        // The service may know it by then, and never sends it twice.
        Some(_) | None => return Verdict::Again(PAUSE, State::Unknown),
    }
    let retry = Reason::from_str_name(&info.reason).map(|reason| row(reason).retry);
    match retry {
        Some(Retry::Safe | Retry::AfterWait | Retry::SeeOutcome) => {
            let given = detail::<pb::RetryInfo>(error, "google.rpc.RetryInfo");
            let given = given.and_then(|info| Duration::try_from(info.retry_delay?).ok());
            match given.unwrap_or(PAUSE) {
                long if long > LONGEST => Verdict::End(State::NotSent),
                pause => Verdict::Again(pause, State::NotSent),
            }
        }
        Some(Retry::AfterFix | Retry::MayDuplicate) | None => Verdict::End(State::Failed),
    }
}

/// Whether the service has ended a stream because nothing came.
pub(super) fn is_idle(status: &Status) -> bool {
    let info = detail::<pb::ErrorInfo>(&rpc_status(status), "google.rpc.ErrorInfo");
    info.is_some_and(|info| info.reason == Reason::StreamIdle.as_str_name())
}

fn detail<M: Message + Default>(status: &pb::Status, name: &str) -> Option<M> {
    let mut details = status.details.iter();
    let detail = details.find(|detail| detail.type_url.ends_with(name))?;
    M::decode(detail.value.as_slice()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::CallIdentity;
    use crate::dispatch::NotAdmitted;
    use crate::error::Error;
    use pacing::Rejection;

    fn of(error: Error) -> Verdict {
        let identity = CallIdentity::default();
        of_error(&error.into_failure(&identity).to_rpc_status(&identity))
    }

    #[test]
    fn only_what_was_not_executed_and_may_succeed_is_sent_once_more() {
        let again = Verdict::Again(PAUSE, State::NotSent);
        assert_eq!(of(Error::Overloaded), again);
        let at_once = Verdict::Again(Duration::ZERO, State::NotSent);
        assert_eq!(of(Error::ShuttingDown), at_once);
        assert_eq!(of(Error::ApplicationRequired), Verdict::End(State::Failed));
        assert_eq!(of(Error::not_decodable()), Verdict::End(State::Failed));
    }

    #[test]
    fn a_limit_that_passes_within_minutes_is_waited_for() {
        let limited = |retry_after| {
            let rejection = Rejection::OperatingLimit { retry_after };
            of(Error::NotAdmitted(NotAdmitted::Rejected(rejection)))
        };
        let ten_minutes = Duration::from_secs(600);
        assert_eq!(
            limited(ten_minutes),
            Verdict::Again(ten_minutes, State::NotSent)
        );
        let an_hour = Duration::from_secs(3_600);
        assert_eq!(limited(an_hour), Verdict::End(State::NotSent));
    }

    #[test]
    fn what_is_unknown_is_asked_for_with_the_same_idempotency_key() {
        let again = Verdict::Again(PAUSE, State::Unknown);
        assert_eq!(of(Error::ResultMissing), again);
        let of_a_proxy = pb::Status {
            code: 14,
            ..pb::Status::default()
        };
        assert_eq!(of_error(&of_a_proxy), again);
    }
}
