//! Why a call may not be sent.

use std::time::Duration;

use crate::tenant::AccessError;

/// Why a call may not be sent now. Nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAdmitted {
    /// The deadline has passed.
    #[error("the deadline passed before the request could be sent")]
    DeadlinePassed,
    /// The tenant's portal cannot be opened.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// As many calls wait as may.
    #[error("as many calls wait for the portal as may")]
    QueueFull {
        /// When there may be room again.
        retry_after: Duration,
    },
    /// The call's turn would come too late.
    #[error("the call would wait for {} s, longer than its deadline allows", .expected.as_secs_f32())]
    WaitTooLong {
        /// How long it would take.
        expected: Duration,
        /// When the wait may be short enough.
        retry_after: Duration,
    },
    /// The method has used up what the portal lets it work for this tenant.
    #[error("the method has used up its operating time on the portal")]
    OperatingLimit {
        /// When some of it is free again.
        retry_after: Duration,
    },
    /// The portal has not answered several times in a row.
    #[error("the portal has not answered several times in a row")]
    PortalDown {
        /// When it is tried again.
        retry_after: Duration,
    },
    /// The ledger does not let the call go.
    #[error(transparent)]
    Ledger(#[from] LedgerFailure),
}

impl NotAdmitted {
    /// When a repeat may succeed, if that is known.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::QueueFull { retry_after }
            | Self::WaitTooLong { retry_after, .. }
            | Self::OperatingLimit { retry_after }
            | Self::PortalDown { retry_after } => Some(*retry_after),
            Self::DeadlinePassed | Self::Access(_) | Self::Ledger(_) => None,
        }
    }
}

/// Why a call with an idempotency key is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerFailure {
    /// The ledger cannot be read or written.
    #[error("the ledger does not answer")]
    Unavailable,
    /// The key was used for another call.
    #[error("the idempotency key was used for another call")]
    Reused,
    /// An earlier attempt is still running.
    #[error("an earlier attempt with the same idempotency key is still running")]
    StillRunning,
    /// What became of an earlier attempt is not known.
    #[error("what became of an earlier attempt with the same idempotency key is not known")]
    Unknown,
}
