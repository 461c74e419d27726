//! What a portal holds while nobody calls it.

use std::time::{Duration, Instant};

use super::state::Portal;

/// How long after its last request a portal is at rest. One that is called in between would have to
/// allocate again what it gives back.
const AT_REST: Duration = Duration::from_secs(30);

impl<J> Portal<J> {
    /// Gives back the memory that only calls need, if the portal has had none for a while. What is
    /// known of the portal stays.
    pub fn rest(&mut self, now: Instant) {
        let is_long_ago = |sent: Instant| now.saturating_duration_since(sent) >= AT_REST;
        if !self.is_empty() || !self.last_sent.is_none_or(is_long_ago) {
            return;
        }
        self.queue.rest();
        self.selections.prepared.shrink_to_fit();
        self.requests.rest();
        self.newly_late.shrink_to_fit();
        self.breaker.forget_old(now);
    }

    /// Whether it has no call, waiting or sent.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.selections.is_empty() && self.requests.in_flight() == 0
    }
}
