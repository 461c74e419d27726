//! What a replica tells and asks the others about one portal, and what it is told.

use std::time::Duration;

use super::Report;

/// What a replica has, and what it wants. It says how things are, not what has changed: told twice it does no harm.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ask {
    /// Permits that are unused, or whose requests may still be on their way.
    pub held: u32,
    /// All requests of this replica that have arrived at the portal.
    pub used: u64,
    /// How many of them the last exchange that was answered has told.
    pub acknowledged: u64,
    /// Permits to lease, if there is room.
    pub want: u32,
    /// Whether the portal has refused a request because its bucket was full.
    pub refused: bool,
    /// After a time without the others.
    pub returned: Option<Returned>,
    /// New reports of operating time.
    pub reports: Vec<Report>,
}

/// What a replica has done while it could not ask.
#[derive(Clone, Debug, PartialEq)]
pub struct Returned {
    /// The level of its own part of the bucket.
    pub level: f64,
    /// For how long it was alone.
    pub away: Duration,
}

/// The answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    /// Permits that were leased.
    pub granted: u32,
    /// The replica is at rest, and after this time may again send one request without asking.
    pub rest: Option<Duration>,
    /// Requests for which there was room still, for whoever asks.
    pub room: f64,
    /// How many replicas wait for permits, if this one does.
    pub waiting: u32,
    /// When there may be room for more.
    pub ask_again_after: Duration,
    /// What others have reported of operating time.
    pub reports: Vec<Report>,
}
