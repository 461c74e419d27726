//! What all who share a portal go by.

use std::time::Duration;

use bitrix24::Intensity;

/// The longest time from the moment a request leaves to its arrival at the portal that is reckoned with. What takes longer,
/// a lost packet's second try for example, arrives when the bucket has drained more than we think of it.
const LONGEST_WAY: Duration = Duration::from_millis(250);

/// The same for portals whose bucket drains fast, so that their permits are not out longer than they are worth.
const SHORTEST_WAY: Duration = Duration::from_millis(20);

/// The way's share of the time in which a full bucket drains.
const WAY: f64 = 0.01;

/// The bounds of the time between two questions for permits.
const SHORTEST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// How fast our bucket drains, of what the portal's does: clocks differ, and at full load the difference adds up.
const CAUTION: f64 = 0.999;

/// The bucket of a portal, and how many share it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Terms {
    /// The bucket.
    pub intensity: Intensity,
    /// The replicas that live, 1 or more, the asking one among them.
    pub living: u32,
}

impl Terms {
    /// How many requests the bucket holds.
    pub(super) fn burst(self) -> f64 {
        f64::from(self.intensity.burst.max(1))
    }

    /// How many requests drain in this time.
    pub(super) fn drained(self, in_time: Duration) -> f64 {
        self.rate() * in_time.as_secs_f64()
    }

    /// How long the bucket takes to drain so many requests.
    pub(super) fn time_for(self, requests: f64) -> Duration {
        Duration::try_from_secs_f64(requests / self.rate()).unwrap_or(Duration::MAX)
    }

    /// One replica's part, when they cannot ask each other. It holds one request at least.
    pub(super) fn part(self) -> Self {
        let living = f64::from(self.living.max(1));
        let intensity = Intensity {
            per_second: self.intensity.per_second / living,
            ..self.intensity
        };
        Self {
            intensity,
            living: self.living,
        }
    }

    /// How many requests one replica's part holds.
    pub(super) fn part_burst(self) -> f64 {
        (self.burst() / f64::from(self.living.max(1))).max(1.0)
    }

    /// How long after its departure a request has surely arrived.
    pub(super) fn way(self) -> Duration {
        self.emptying(WAY).clamp(SHORTEST_WAY, LONGEST_WAY)
    }

    /// The time between two questions for permits.
    pub(super) fn pause(self) -> Duration {
        self.emptying(WAY).clamp(SHORTEST_PAUSE, LONGEST_PAUSE)
    }

    fn emptying(self, share: f64) -> Duration {
        let seconds = share * self.burst() / self.rate();
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }

    fn rate(self) -> f64 {
        (self.intensity.per_second * CAUTION).max(1e-6)
    }
}
