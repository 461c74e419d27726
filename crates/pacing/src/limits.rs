//! The bounds of one portal.

use std::time::Duration;

use crate::OperatingKey;

/// Bounds of one portal's queue, requests and batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most calls that may wait for the portal.
    pub waiting_calls: usize,
    /// Most requests that may be in flight to the portal.
    pub parallel_requests: usize,
    /// Most calls in a batch; 1 turns batches off.
    pub batch_calls: usize,
    /// A method's operating time within Bitrix24's window of about ten minutes; `None` without a
    /// known limit.
    pub operating_time: Option<Duration>,
    /// Whose calls share it.
    pub operating_key: OperatingKey,
    /// How long a request without a response may still be executing at the portal, from when it was
    /// sent. Until then its conversations are held.
    pub longest_answer: Duration,
}
