//! The calls of a simulation.

use std::ops::Range;
use std::time::Duration;

/// Which calls arrive, and how the portal responds.
#[derive(Clone, Debug)]
pub(super) struct Traffic {
    /// Calls a second, chosen at random every minute.
    pub(super) calls_per_second: Vec<f64>,
    /// How many calls arrive at once in a burst.
    pub(super) burst: usize,
    pub(super) bulk_percent: u32,
    /// The part of calls that may not be batched.
    pub(super) single_percent: u32,
    /// The part of calls whose start is recorded, which takes time.
    pub(super) recorded_percent: u32,
    pub(super) conversations: u32,
    /// The time that calls have, in seconds.
    pub(super) deadline: Range<u64>,
    /// Requests of another client at the same address, a second.
    pub(super) others_per_second: f64,
    /// The part of requests without a response, in percent.
    pub(super) lost_percent: u32,
    /// What a command takes, in milliseconds.
    pub(super) command: Range<u64>,
    pub(super) hangs: Option<Hangs>,
}

/// A portal that takes requests and does not answer them, now and then.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hangs {
    /// The time from the end of one hang to the end of the next.
    period: Duration,
    lasts: Duration,
}

impl Hangs {
    pub(super) fn is_on(self, now: Duration) -> bool {
        now - self.last_end(now) >= self.period - self.lasts
    }

    /// When the last hang ended; 0 before the first.
    pub(super) fn last_end(self, now: Duration) -> Duration {
        let periods = now.as_nanos() / self.period.as_nanos();
        self.period * u32::try_from(periods).unwrap()
    }
}

impl Traffic {
    /// Quiet minutes, busy minutes, and sudden thousands.
    pub(super) fn weather() -> Self {
        Self {
            calls_per_second: vec![0.05, 0.5, 2.0, 10.0, 60.0],
            burst: 1500,
            bulk_percent: 20,
            single_percent: 2,
            recorded_percent: 20,
            conversations: 400,
            deadline: 20..56,
            others_per_second: 0.0,
            lost_percent: 1,
            command: 10..41,
            hangs: None,
        }
    }

    /// More than can be sent, always.
    pub(super) fn overload() -> Self {
        Self {
            calls_per_second: vec![150.0],
            burst: 0,
            bulk_percent: 50,
            single_percent: 0,
            recorded_percent: 0,
            conversations: 4000,
            deadline: 50..56,
            lost_percent: 0,
            ..Self::weather()
        }
    }

    /// Another client uses a quarter of the rate limit, unseen.
    pub(super) fn shared_with_others() -> Self {
        Self {
            others_per_second: 0.5,
            lost_percent: 0,
            ..Self::weather()
        }
    }

    /// The portal is slow and its callers are in a hurry, a hundred at once now and then.
    pub(super) fn slow() -> Self {
        Self {
            calls_per_second: vec![0.05, 0.5, 2.0, 8.0],
            burst: 120,
            recorded_percent: 0,
            conversations: 4000,
            deadline: 6..7,
            lost_percent: 0,
            command: 140..181,
            ..Self::weather()
        }
    }

    /// Every fifth response gets lost.
    pub(super) fn lossy() -> Self {
        Self {
            lost_percent: 20,
            ..Self::weather()
        }
    }

    /// The portal hangs for half a minute now and then, and callers go on.
    pub(super) fn hanging() -> Self {
        Self {
            calls_per_second: vec![10.0],
            burst: 0,
            // The store does not stall beside the portal.
            recorded_percent: 0,
            conversations: 1_000_000,
            deadline: 5..6,
            lost_percent: 0,
            hangs: Some(Hangs {
                period: Duration::from_secs(300),
                lasts: Duration::from_secs(30),
            }),
            ..Self::weather()
        }
    }
}
