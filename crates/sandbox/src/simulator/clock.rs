//! The portals' clock.

use std::sync::Mutex;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::sync::lock;

/// Runs with tokio's clock, so pausing that stops it too. Moves forward on command, never back.
#[derive(Debug)]
pub(crate) struct Clock {
    /// The same moment on the machine's clock and on tokio's.
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
    pub(crate) fn now(&self) -> Timestamp {
        let (timestamp, instant) = self.start;
        let passed = instant.elapsed().saturating_add(self.ahead());
        timestamp.checked_add(passed).unwrap_or(timestamp)
    }

    /// How far it was moved forward.
    pub(crate) fn ahead(&self) -> Duration {
        *lock(&self.ahead)
    }

    pub(crate) fn advance(&self, by: Duration) {
        let mut ahead = lock(&self.ahead);
        *ahead = ahead.saturating_add(by);
    }
}
