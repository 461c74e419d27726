//! What the end of a request means for its portal and for the ledger.

use crate::dispatch::job::Delivered;
use crate::dispatch::ledger::Recorded;
use crate::dispatch::send_error::SendError;
use bitrix24::{CallError, NotSent, Outcome, Unanswered};
use pacing::RequestOutcome;

/// What the ledger keeps of a call's result.
pub(super) fn recorded(result: &Result<Delivered, SendError>) -> Recorded {
    match result {
        Ok(delivered) => Recorded::Answered(delivered.answer.clone()),
        // A later attempt with its idempotency key counts as new.
        Err(error) if error.outcome() == Outcome::NotExecuted => Recorded::NotExecuted,
        Err(_) => Recorded::Unknown,
    }
}

/// What the end of a request says of its portal.
pub(super) fn request_outcome(error: Option<&CallError>) -> RequestOutcome {
    match error {
        None
        | Some(
            CallError::Moved { .. } | CallError::NoPortal { .. } | CallError::RefusedInFront(_),
        ) => RequestOutcome::Responded,
        Some(CallError::NotSent(NotSent::Unreachable(_))) => RequestOutcome::Unreachable,
        Some(CallError::NotSent(NotSent::Unprocessed)) => RequestOutcome::Unprocessed,
        Some(CallError::NotSent(NotSent::DeadlinePassed | NotSent::AddressForbidden)) => {
            RequestOutcome::Withdrawn
        }
        Some(CallError::Limited { .. }) => RequestOutcome::RateLimited,
        Some(CallError::Refused(refusal)) if refusal.is_rate_limit() => RequestOutcome::RateLimited,
        Some(CallError::Refused(_)) => RequestOutcome::Responded,
        Some(CallError::Unanswered(unanswered)) => match unanswered {
            Unanswered::Oversized { .. } | Unanswered::NoResult { .. } => RequestOutcome::Responded,
            Unanswered::DeadlinePassed
            | Unanswered::Abandoned
            | Unanswered::ConnectionLost
            | Unanswered::Empty { .. }
            | Unanswered::CutOff { .. }
            | Unanswered::NotJson { .. }
            | Unanswered::Busy { .. }
            | Unanswered::ServerFailed { .. } => RequestOutcome::Lost,
        },
    }
}
