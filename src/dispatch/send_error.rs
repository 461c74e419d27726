//! Why a call that was sent has no good answer.

use std::time::Duration;

use crate::tenant::AccessError;
use bitrix24::{CallError, Outcome};

/// Why a call that was sent has no good answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The portal, or the way to it.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The portal refused to execute the call with the credential it had, and there is no other.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The portal refused to execute the call, and it is known when a repeat makes sense.
    #[error("{refusal}")]
    Later {
        /// The refusal.
        refusal: CallError,
        /// How long to wait.
        retry_after: Duration,
    },
    /// A fault of the program. What became of the call is not known.
    #[error("the request crashed")]
    Crashed,
}

/// The shortest time after which a caller is asked to try again.
const SHORTEST: Duration = Duration::from_secs(1);

impl SendError {
    /// A refusal after which a repeat makes sense in so long a time: whole seconds, at least one.
    pub(super) fn later(refusal: CallError, retry_after: Duration) -> Self {
        let seconds = retry_after.as_millis().div_ceil(1000);
        let retry_after = Duration::from_secs(u64::try_from(seconds).unwrap_or(u64::MAX));
        Self::Later {
            refusal,
            retry_after: retry_after.max(SHORTEST),
        }
    }

    /// What is known of the call's fate.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Call(error) | Self::Later { refusal: error, .. } => error.outcome(),
            Self::Access(_) => Outcome::NotExecuted,
            Self::Crashed => Outcome::Unknown,
        }
    }
}
