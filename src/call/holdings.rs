//! What a caller holds of what all callers share.

use std::sync::Arc;

use pacing::{Held, Queued};

/// What the calls of one caller hold. Each bound is that of the pool that it is taken from.
#[derive(Debug, Default)]
pub(crate) struct Holdings {
    /// Calls in progress.
    pub(crate) calls: Held,
    /// The bytes of their requests.
    pub(crate) bytes: Held,
    /// Those that wait for a portal.
    pub(crate) queued: Arc<Queued>,
}
