//! The portal's clock: it runs with tokio's, and tests move it forward.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

/// A clock that runs with that of the runtime, so that a paused one stops it too, and can be moved forward, never back.
#[derive(Debug)]
pub(super) struct Clock {
    /// What time it was, and when.
    start: (Timestamp, Instant),
    ahead: Mutex<Duration>,
}

impl Default for Clock {
    fn default() -> Self {
        Self {
            start: (Timestamp::now(), Instant::now()),
            ahead: Mutex::default(),
        }
    }
}

impl Clock {
    pub(super) fn now(&self) -> Timestamp {
        let (timestamp, instant) = self.start;
        let passed = instant.elapsed().saturating_add(self.ahead());
        timestamp.checked_add(passed).unwrap_or(timestamp)
    }

    /// How far it is ahead of a clock that nobody moved.
    pub(super) fn ahead(&self) -> Duration {
        *self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn advance(&self, by: Duration) {
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        *ahead = ahead.saturating_add(by);
    }
}
