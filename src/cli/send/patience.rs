//! How long a run goes on while the service does not answer.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Pauses before a new stream: the first, doubled each time, and the longest.
const PAUSE: Duration = Duration::from_millis(200);
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// How long to go on while the service does not answer.
pub(super) struct Patience {
    longest: Duration,
    answered: Instant,
    pause: Duration,
}

impl Patience {
    /// For so long after its last answer.
    pub(super) fn new(longest: Duration) -> Self {
        Self {
            longest,
            answered: Instant::now(),
            pause: PAUSE,
        }
    }

    /// The service has answered.
    pub(super) fn note_answer(&mut self) {
        self.answered = Instant::now();
        self.pause = PAUSE;
    }

    /// Waits before the next stream. `false`: there is none.
    pub(super) async fn wait(&mut self) -> bool {
        if self.answered.elapsed() + self.pause > self.longest {
            return false;
        }
        sleep(self.pause).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        true
    }
}
