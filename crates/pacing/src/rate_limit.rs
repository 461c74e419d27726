//! The rate limit of a portal.

use std::time::Duration;

/// A leaky bucket: it fills with each request and drains steadily.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateLimit {
    /// How many requests may come at once, 1 or more.
    pub burst: u32,
    /// How many of them drain each second, above 0.
    pub per_second: f64,
}

/// The longest wait that is calculated. With the smallest rate, a request would take longer than
/// the age of the universe.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

impl RateLimit {
    /// How long this many requests take to drain, at most a day.
    pub fn time_for(self, requests: f64) -> Duration {
        let time = Duration::try_from_secs_f64(requests / self.per_second);
        time.map_or(LONGEST, |time| time.min(LONGEST))
    }

    /// The lower burst and the lower rate of two limits.
    pub(crate) fn lower(self, other: Self) -> Self {
        Self {
            burst: self.burst.min(other.burst),
            per_second: self.per_second.min(other.per_second),
        }
    }
}
