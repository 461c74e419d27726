//! Why a call is not sent.

use std::time::Duration;

use super::weekly_guard::WeeklyLimit;
use crate::tenant::AccessError;
use pacing::Rejection;

/// Why a call may not be sent now. Nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotAdmitted {
    /// The portal's limits or the call's deadline do not allow it.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The tenant's portal cannot be accessed.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The ledger does not allow it.
    #[error(transparent)]
    Ledger(#[from] LedgerFailure),
    /// The portal would certainly refuse it: the recipient had this week's message.
    #[error(transparent)]
    WeeklyLimit(#[from] WeeklyLimit),
}

impl NotAdmitted {
    /// When a retry may succeed, if that is known.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Rejected(rejection) => rejection.retry_after(),
            // Until then a retry certainly fails; after it the portal may still refuse.
            Self::Access(_) | Self::Ledger(_) | Self::WeeklyLimit(_) => None,
        }
    }
}

/// Why a call with an idempotency key is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LedgerFailure {
    /// The ledger cannot be read or written.
    #[error("the ledger does not respond")]
    Unavailable,
    /// The key was used for another call.
    #[error("the idempotency key was used for another call")]
    Reused,
    /// An earlier attempt is in progress.
    #[error("an earlier attempt with the same idempotency key is in progress")]
    StillRunning,
    /// The outcome of an earlier attempt is unknown.
    #[error("the outcome of an earlier attempt with the same idempotency key is unknown")]
    Unknown,
}
