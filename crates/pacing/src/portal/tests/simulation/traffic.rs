//! The calls of a simulation.

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
    pub(super) deadline: std::ops::Range<u64>,
    /// Requests of another client at the same address, a second.
    pub(super) others_per_second: f64,
    /// The part of requests without a response, in percent.
    pub(super) lost_percent: u32,
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
            others_per_second: 0.0,
            lost_percent: 0,
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
}
