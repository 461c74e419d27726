//! Where a call's time goes.

use std::time::Duration;

/// Where a call's time went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spent {
    /// Waiting for its turn.
    pub(crate) waiting: Duration,
    /// Waiting for the portal.
    pub(crate) portal: Duration,
}
