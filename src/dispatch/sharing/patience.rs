//! How long an exchange may take.

use std::time::Duration;

/// The bounds for one statement on an open connection. Calls may wait for it, and a replica whose
/// exchange takes longer serves them better from its own part of the budget. The upper bound is the
/// round trip beyond which replicas do not share: with it, permits still arrive in time.
const LEAST: Duration = Duration::from_millis(300);
const MOST: Duration = Duration::from_millis(1_500);

/// The bounds for connecting.
const LEAST_TO_CONNECT: Duration = Duration::from_millis(700);
const MOST_TO_CONNECT: Duration = Duration::from_secs(3);

/// The round trips of connecting: TCP, TLS, the password, and our limits.
const TO_CONNECT: u32 = 12;

/// After this many failures in a row the database may have become slower than it was.
const FAILURES: u32 = 3;

/// How much of the slowest exchange is remembered with each one after it.
const REMEMBERED: f64 = 0.98;

/// Learns from exchanges how long they may take.
#[derive(Debug, Default)]
pub(super) struct Patience {
    slowest: Option<Duration>,
    failures: u32,
}

impl Patience {
    /// The limit for a statement. A lost packet is sent again after 200 milliseconds or more.
    pub(super) fn statement(&self) -> Duration {
        let known = self.slowest.filter(|_| self.failures == 0);
        known.map_or(MOST, |slowest| {
            (slowest * 3 + Duration::from_millis(200)).clamp(LEAST, MOST)
        })
    }

    /// The limit for connecting.
    pub(super) fn connecting(&self) -> Duration {
        let known = self.slowest.filter(|_| self.failures < FAILURES);
        known.map_or(MOST_TO_CONNECT, |slowest| {
            (slowest * TO_CONNECT).clamp(LEAST_TO_CONNECT, MOST_TO_CONNECT)
        })
    }

    pub(super) fn took(&mut self, time: Duration) {
        let remembered = self.slowest.unwrap_or_default().mul_f64(REMEMBERED);
        self.slowest = Some(remembered.max(time));
        self.failures = 0;
    }

    pub(super) fn failed(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn limits_follow_what_exchanges_take_within_bounds() {
        let mut patience = Patience::default();
        assert_eq!(
            (patience.statement(), patience.connecting()),
            (ms(1_500), ms(3_000))
        );
        for (took, statement, connecting) in [
            (1, 300, 700),
            (100, 500, 1_200),
            (300, 1_100, 3_000),
            (900, 1_500, 3_000),
        ] {
            patience.took(ms(took));
            let limits = (patience.statement(), patience.connecting());
            assert_eq!(limits, (ms(statement), ms(connecting)), "{took} ms");
        }
        (0..500).for_each(|_| patience.took(ms(1)));
        assert_eq!(patience.statement(), ms(300));
    }

    #[test]
    fn after_failures_the_database_may_have_become_slower() {
        let mut patience = Patience::default();
        patience.took(ms(1));
        patience.failed();
        assert_eq!(
            (patience.statement(), patience.connecting()),
            (ms(1_500), ms(700))
        );
        (0..2).for_each(|_| patience.failed());
        assert_eq!(patience.connecting(), ms(3_000));
    }
}
