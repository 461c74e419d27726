//! How long an isolated replica waits before it tries an exchange.

use std::time::Duration;

use rand::RngExt;
use tokio::time::Instant;

/// The bounds of the wait within an outage.
const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(1);

/// The longest first wait of an outage that follows another one.
const LONGEST_FIRST: Duration = Duration::from_secs(8);

/// An outage so soon after another one is the same trouble: the replica stays isolated for longer,
/// because each change costs more than it brings.
const SOON: Duration = Duration::from_secs(10);

/// Waits that grow from attempt to attempt, and from outage to outage.
#[derive(Debug)]
pub(super) struct Backoff {
    first: Duration,
    next: Duration,
    back_at: Option<Instant>,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Self {
            first: FIRST,
            next: FIRST,
            back_at: None,
        }
    }

    /// An outage begins.
    pub(super) fn begin(&mut self, now: Instant) {
        let is_soon = self.back_at.is_some_and(|back| now < back + SOON);
        self.first = if is_soon {
            (self.first * 2).min(LONGEST_FIRST)
        } else {
            FIRST
        };
        self.next = self.first;
    }

    /// The wait before the next attempt.
    pub(super) fn wait(&mut self) -> Duration {
        let wait = self.next;
        self.next = if wait > LONGEST {
            LONGEST
        } else {
            (wait * 2).min(LONGEST)
        };
        about(wait)
    }

    /// The outage is over.
    pub(super) fn end(&mut self, now: Instant) {
        self.back_at = Some(now);
    }
}

/// Spreads a time, so that replicas that start together do not act together.
pub(super) fn about(time: Duration) -> Duration {
    time.mul_f64(rand::rng().random_range(0.7..1.3))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The waits of an outage, to the nearest that may be meant.
    fn waits(backoff: &mut Backoff) -> Vec<u128> {
        let next = |backoff: &mut Backoff| {
            let wait = backoff.next.as_millis();
            backoff.wait();
            wait
        };
        (0..6).map(|_| next(backoff)).collect()
    }

    #[test]
    fn waits_grow_within_an_outage_and_from_one_to_the_next() {
        let (mut backoff, start) = (Backoff::new(), Instant::now());
        backoff.begin(start);
        assert_eq!(waits(&mut backoff), [100, 200, 400, 800, 1_000, 1_000]);
        for first in [200, 400, 800, 1_600, 3_200, 6_400, 8_000, 8_000] {
            backoff.end(start);
            backoff.begin(start);
            assert_eq!(waits(&mut backoff)[0], first);
        }
        backoff.end(start);
        backoff.begin(start + SOON);
        assert_eq!(waits(&mut backoff)[0], 100);
    }
}
