//! The portal's clock: the machine's time plus an offset that tests move forward.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

/// A clock that runs with the machine's and can be moved forward, never back.
#[derive(Debug, Default)]
pub(super) struct Clock {
    ahead: Mutex<Duration>,
}

impl Clock {
    pub(super) fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        now.checked_add(self.ahead()).unwrap_or(now)
    }

    /// How far it is ahead of the machine's clock.
    pub(super) fn ahead(&self) -> Duration {
        *self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn advance(&self, by: Duration) {
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        *ahead = ahead.saturating_add(by);
    }
}
