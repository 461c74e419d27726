//! A portal as people see it.

use std::time::{Duration, Instant};

use super::state::Portal;

/// What a portal is about at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PortalView {
    /// Queued calls.
    pub waiting: usize,
    /// Requests that have no response yet.
    pub in_flight: usize,
    /// How full the bucket is: 0 empty, 1 full; `None` without a limit.
    pub fill: Option<f64>,
    /// Whether the circuit breaker is open.
    pub is_breaker_open: bool,
    /// How much longer nothing is sent because the portal rejected a request.
    pub backoff: Duration,
    /// Conversations that wait for a response that is overdue.
    pub held: usize,
}

impl<J> Portal<J> {
    /// What it is about now.
    pub fn view(&mut self, now: Instant) -> PortalView {
        PortalView {
            waiting: self.queue.len(),
            in_flight: self.requests.in_flight(),
            fill: self.fill(now),
            is_breaker_open: self.is_breaker_open(),
            backoff: self.backoff(now),
            held: self
                .requests
                .all_overdue()
                .map(|(_, held)| held.len())
                .sum(),
        }
    }
}
