//! An isolated replica's part of a portal's bucket.

use std::time::{Duration, Instant};

use super::config::BucketConfig;
use super::messages::Isolation;

/// How long an exchange takes at most that may end the isolation.
const LONGEST_PROBE: Duration = Duration::from_millis(1_500);

/// The part: 1/N of the burst and of the rate, for N replicas. The parts together are no more than
/// the whole, whatever the others sent before, although each is full at first.
#[derive(Debug)]
pub(super) struct Isolated {
    part: BucketConfig,
    burst: f64,
    level: f64,
    at: Instant,
    pub(super) since: Instant,
    /// Requests that have arrived since.
    pub(super) arrived: u64,
    /// The credit that the others keep for this replica, if they do.
    pub(super) credit: Option<Instant>,
}

impl Isolated {
    /// A part that is full, less the `out` requests that the account keeps room for: with a permit,
    /// used or not, or on credit.
    pub(super) fn new(
        config: BucketConfig,
        out: f64,
        credit: Option<Instant>,
        since: Instant,
    ) -> Self {
        let burst = config.part_burst();
        Self {
            part: config.part(),
            burst,
            level: (burst - out).max(0.0),
            at: since,
            since,
            arrived: 0,
            credit,
        }
    }

    pub(super) fn level(&mut self, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(self.at);
        self.level = (self.level - self.part.drained(passed)).max(0.0);
        self.at = self.at.max(now);
        self.level
    }

    /// What the others are told.
    pub(super) fn isolation(&mut self, now: Instant) -> Isolation {
        Isolation {
            level: self.level(now),
            lasted: now.saturating_duration_since(self.since),
        }
    }

    /// How many requests may go beside those that are out.
    pub(super) fn room(&mut self, out: f64, now: Instant) -> f64 {
        self.burst - self.level(now) - out
    }

    /// When one more may go; `None`: now.
    pub(super) fn wait(&mut self, out: f64, now: Instant) -> Option<Instant> {
        let missing = 1.0 - self.room(out, now);
        if missing <= 0.0 {
            return None;
        }
        // Requests that are out do not drain yet; try again when they may have arrived.
        let wait = self.part.time_for(missing.min(self.level.max(0.0)));
        Some(now + wait.max(self.part.interval()))
    }

    /// How many requests may go while an exchange is in progress: they are told of in advance.
    pub(super) fn allowance(&self) -> u32 {
        let drained = self.part.drained(LONGEST_PROBE).min(self.burst);
        (1..=self.part.limit.burst)
            .take_while(|requests| f64::from(*requests) <= drained)
            .last()
            .unwrap_or(1)
    }

    pub(super) fn count_arrived(&mut self, now: Instant) {
        self.level(now);
        self.level += 1.0;
        self.arrived += 1;
    }

    pub(super) fn rejected(&mut self, now: Instant) {
        self.level(now);
        self.level = self.level.max(self.burst);
    }
}
