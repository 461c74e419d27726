//! The settings of dispatch.

use std::time::Duration;

/// The most commands that Bitrix24 executes in a batch (page "batch").
pub const LARGEST_BATCH: usize = 50;

/// The settings `dispatch.*`.
#[derive(Clone, Debug)]
pub struct Options {
    /// Calls that may wait at the same time, for all portals together.
    pub maximum_waiting_calls: usize,
    /// Calls that may wait for one portal.
    pub maximum_waiting_calls_per_portal: usize,
    /// What the waiting calls may weigh, in bytes.
    pub maximum_waiting_bytes: usize,
    /// Requests that may be on the way to one portal at the same time.
    pub parallel_requests_per_portal: usize,
    /// Calls in one batch, 1 to [`LARGEST_BATCH`]. 1: there are no batches.
    pub maximum_batch: usize,
    /// Seconds of work that a portal allows one method of one tenant within ten minutes. `None`: any. Not applied to
    /// portals without a plan.
    pub operating_limit: Option<Duration>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            maximum_waiting_calls: 20_000,
            maximum_waiting_calls_per_portal: 10_000,
            maximum_waiting_bytes: 256 * 1024 * 1024,
            parallel_requests_per_portal: 100,
            maximum_batch: LARGEST_BATCH,
            operating_limit: Some(Duration::from_secs(480)),
        }
    }
}
