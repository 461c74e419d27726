//! Why a call that was sent failed.

use std::time::Duration;

use crate::tenant::AccessError;
use bitrix24::{CallError, Outcome};

/// Why a call that was sent failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SendError {
    /// The portal, or the connection to it.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The portal rejected the credential of the call, and there is no other.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The portal rejected the call, and it is known when to retry.
    #[error("{refusal}")]
    Later {
        /// The rejection.
        refusal: CallError,
        /// How long to wait.
        retry_after: Duration,
    },
    /// A bug.
    #[error("the request crashed")]
    Crashed {
        /// What is known of the call.
        outcome: Outcome,
    },
}

/// The shortest time after which a caller is told to retry.
const SHORTEST: Duration = Duration::from_secs(1);

impl SendError {
    /// A rejection with the time to retry after: whole seconds, at least one.
    pub(super) fn later(refusal: CallError, retry_after: Duration) -> Self {
        let seconds = retry_after.as_millis().div_ceil(1000);
        let retry_after = Duration::from_secs(u64::try_from(seconds).unwrap_or(u64::MAX));
        Self::Later {
            refusal,
            retry_after: retry_after.max(SHORTEST),
        }
    }

    /// Whether the call was executed.
    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Self::Call(error) | Self::Later { refusal: error, .. } => error.outcome(),
            Self::Access(_) => Outcome::NotExecuted,
            Self::Crashed { outcome } => *outcome,
        }
    }
}
