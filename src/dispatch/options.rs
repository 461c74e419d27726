//! The operator's choices for queues, batches and budgets.

use std::time::Duration;

use bitrix24::PortalAddress;

/// What bounds the waiting calls, and what Bitrix24's documents leave open. The defaults are those of the settings `dispatch.*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How many calls may wait in all.
    pub maximum_waiting_calls: usize,
    /// How many of them may wait for one portal.
    pub maximum_waiting_calls_per_portal: usize,
    /// How large the parameters of all waiting calls may be together, in bytes.
    pub maximum_waiting_bytes: usize,
    /// How many requests may be on their way to one portal at once.
    pub parallel_requests_per_portal: usize,
    /// How many commands a batch has at most; 1: no call travels in a batch.
    pub maximum_batch: usize,
    /// How long a method may run within Bitrix24's window of about ten minutes; `None`: nobody knows.
    pub operating_limit: Option<Duration>,
}

impl Options {
    /// The limit of a method's execution time on this portal. Bitrix24 documents one for its cloud only.
    pub fn operating_limit_of(&self, portal: &PortalAddress) -> Option<Duration> {
        self.operating_limit.filter(|_| !portal.is_self_hosted())
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            maximum_waiting_calls: 20_000,
            maximum_waiting_calls_per_portal: 10_000,
            maximum_waiting_bytes: 256 * 1024 * 1024,
            parallel_requests_per_portal: 100,
            maximum_batch: 50,
            // Source: page "limits".
            operating_limit: Some(Duration::from_secs(480)),
        }
    }
}
