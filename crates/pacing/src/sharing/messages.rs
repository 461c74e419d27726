//! The messages of an exchange about one portal.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::reports::OperatingReport;

/// A replica's state, and what it asks for. It says how things are, not what has changed, so that
/// repeating it does no harm.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ask {
    /// Grows with each exchange of this replica. An ask that comes after a later one is void: the
    /// database executed it late, after the replica had given it up.
    pub number: u64,
    /// Permits that are unused, or whose requests may still be in transit.
    pub held: u32,
    /// All requests of this replica that have arrived at the portal.
    pub used: u64,
    /// How many of them the last answered exchange reported.
    pub acknowledged: u64,
    /// Permits to lease, if there is room.
    pub want: u32,
    /// Whether the portal rejected a request because its bucket was full.
    pub rejected: bool,
    /// Set in the exchange that ends an isolation, and in the first one after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isolation: Option<Isolation>,
    /// New reports of operating time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reports: Vec<OperatingReport>,
}

/// What a replica did while it was isolated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Isolation {
    /// The level of its own part of the bucket.
    pub level: f64,
    /// How long it lasted.
    pub lasted: Duration,
}

/// The response to an [`Ask`].
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    /// Permits that were leased.
    pub granted: u32,
    /// Set if the replica is idle: after this time it may send one request on credit.
    pub credit_after: Option<Duration>,
    /// Requests for which there was still room, for any replica.
    pub room: f64,
    /// How many replicas wait for permits, including the asking one.
    pub waiting: u32,
    /// When there may be room for more.
    pub ask_again_after: Duration,
    /// What other replicas reported of operating time.
    pub reports: Vec<OperatingReport>,
}
