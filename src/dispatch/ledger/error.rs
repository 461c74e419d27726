//! Why the ledger fails.

use std::sync::Arc;

use thiserror::Error;

use store::StoreError;

/// Why the ledger does not return the state of a call. Nothing was sent by this attempt.
#[derive(Clone, Debug, Error)]
pub enum LedgerError {
    /// It cannot be read.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The key was used for another request.
    #[error("the idempotency key was used for another request")]
    Reused,
    /// The deadline passed while an earlier attempt was in progress.
    #[error("an earlier attempt was in progress at the deadline")]
    StillRunning,
}

/// The ledger cannot be read or written.
#[derive(Clone, Debug, Error)]
pub enum Unavailable {
    /// The store failed.
    #[error("the ledger cannot be read or written")]
    Store(#[from] Arc<StoreError>),
    /// The store did not respond before the call's deadline.
    #[error("the ledger was not read before the deadline")]
    Late,
    /// Too many outcomes of earlier calls wait in memory until they can be written.
    #[error("too many outcomes of earlier calls cannot be written to the ledger")]
    Full,
    /// The service stops.
    #[error("the ledger is closed because the service stops")]
    Closed,
}

impl From<StoreError> for Unavailable {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}
