//! Why a call that was sent has no good answer.

use std::time::Duration;

use crate::bitrix24::{CallError, Outcome};
use crate::tenant::AccessError;

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

impl SendError {
    /// What is known of the call's fate.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Call(error) | Self::Later { refusal: error, .. } => error.outcome(),
            Self::Access(_) => Outcome::NotExecuted,
            Self::Crashed => Outcome::Unknown,
        }
    }
}
