//! What all replicas that share a portal go by.

use std::time::Duration;

use crate::RateLimit;

/// The longest time from sending a request to its arrival at the portal that is reckoned with. A
/// request that takes longer, for example because a packet was lost, arrives when the bucket has
/// drained further than we assume.
const LONGEST_TRANSIT: Duration = Duration::from_millis(250);

/// The same for portals whose bucket drains fast, so that permits are not held for longer than they
/// are worth.
const SHORTEST_TRANSIT: Duration = Duration::from_millis(20);

/// The transit's share of the time in which a full bucket drains.
const TRANSIT: f64 = 0.01;

/// The bounds of the time between two exchanges for permits.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(5);
const LONGEST_INTERVAL: Duration = Duration::from_millis(100);

/// The rate of our bucket relative to the portal's: clocks differ, and at full load the difference
/// adds up.
const CAUTION: f64 = 0.999;

/// The bucket of a portal, and how many replicas share it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BucketConfig {
    /// The portal's rate limit.
    pub limit: RateLimit,
    /// The living replicas, including this one: 1 or more.
    pub living: u32,
}

impl BucketConfig {
    /// How many requests the bucket holds.
    pub(super) fn burst(self) -> f64 {
        f64::from(self.limit.burst.max(1))
    }

    /// How many requests drain in this time.
    pub(super) fn drained(self, in_time: Duration) -> f64 {
        self.rate() * in_time.as_secs_f64()
    }

    /// How long the bucket takes to drain this many requests, at most a day.
    pub(super) fn time_for(self, requests: f64) -> Duration {
        let per_second = self.rate();
        let limit = RateLimit {
            per_second,
            ..self.limit
        };
        limit.time_for(requests)
    }

    /// The part of an isolated replica. It holds at least one request.
    pub(super) fn part(self) -> Self {
        let living = f64::from(self.living.max(1));
        let limit = RateLimit {
            per_second: self.limit.per_second / living,
            ..self.limit
        };
        Self {
            limit,
            living: self.living,
        }
    }

    /// How many requests an isolated replica's part holds.
    pub(super) fn part_burst(self) -> f64 {
        (self.burst() / f64::from(self.living.max(1))).max(1.0)
    }

    /// How long after it was sent a request has surely arrived.
    pub(super) fn transit(self) -> Duration {
        self.emptying(TRANSIT)
            .clamp(SHORTEST_TRANSIT, LONGEST_TRANSIT)
    }

    /// The time between two exchanges for permits.
    pub(super) fn interval(self) -> Duration {
        self.emptying(TRANSIT)
            .clamp(SHORTEST_INTERVAL, LONGEST_INTERVAL)
    }

    fn emptying(self, share: f64) -> Duration {
        let seconds = share * self.burst() / self.rate();
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }

    fn rate(self) -> f64 {
        (self.limit.per_second * CAUTION).max(1e-6)
    }
}
