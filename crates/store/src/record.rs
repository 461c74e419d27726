//! What the ledger has of a call, whatever database it is in.

use std::time::Duration;

use uuid::Uuid;

use bitrix24::TenantId;

/// Identifies a call.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    /// The tenant.
    pub tenant: TenantId,
    /// The idempotency key.
    pub request: Uuid,
}

/// A call that is about to be sent.
#[derive(Clone, Debug)]
pub struct Start {
    /// The call.
    pub id: Id,
    /// SHA-256 of the request.
    pub fingerprint: [u8; 32],
    /// The number of this replica's attempt.
    pub attempt: i64,
    /// The earlier attempt of this replica whose row is replaced: it was certainly not sent.
    pub replaces: Option<i64>,
}

/// The end of an attempt.
#[derive(Clone, Debug)]
pub struct End {
    /// The call.
    pub id: Id,
    /// The number of this replica's attempt.
    pub attempt: i64,
    /// The outcome of the attempt.
    pub outcome: Outcome,
}

/// The outcome of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The portal's response, in JSON.
    Answered(String),
    /// It was sent, and its outcome is unknown.
    Unknown,
    /// It was not executed. The row expires at once.
    NotExecuted,
}

/// The ledger's record of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// SHA-256 of the request.
    pub fingerprint: [u8; 32],
    /// The state of the call.
    pub state: State,
}

/// The state of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It may be in flight.
    Started {
        /// The replica that sends it.
        owner: Uuid,
        /// The number of that replica's attempt.
        attempt: i64,
        /// Time since that replica's last heartbeat.
        silent_for: Duration,
    },
    /// The portal's response, in JSON.
    Answered(String),
    /// It was sent, and its outcome is unknown.
    Unknown,
}
