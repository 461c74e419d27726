//! One bucket of a portal for several replicas, which exchange messages through a shared account.
//!
//! The portal counts requests when they arrive, a replica when it sends them, and replicas do not
//! see each other's requests. So the account of a portal has two parts: the *level*, which
//! drains as the portal's bucket does, and the *permits* that replicas hold, which do not drain. A
//! request is among the permits from before it is sent until it has surely arrived; then it moves
//! into the level.
//!
//! With N living replicas, these always hold:
//!
//! 1. level + all permits held + one for each idle replica ≤ burst, whenever a permit is issued.
//! 2. The portal's own level ≤ level + permits held: a request that arrived is counted no earlier
//!    than it arrived, and is held until it is counted. So the portal rejects nothing, however late
//!    permits are used, and no margin is needed.
//! 3. Nothing is lost at full load: the sum stays at the burst, so the level drains without a
//!    pause, unless all of the burst is held at once. That happens only at the beginning, for the
//!    time of transit ([`BucketConfig`]) and one exchange.
//!
//! An idle replica has no lease, and one request *on credit*: the first call on a quiet portal does
//! not wait, and when its request has arrived, one exchange reports it and renews the credit. A
//! replica whose calls wait asks for permits; while there are too few, waiting replicas are served
//! one at a time. A replica reports its state, never changes to it, so a lost response does no
//! harm. A replica without an exchange for 3 seconds has stopped using its permits, and they count
//! as used.
//!
//! If the exchange fails, every replica is isolated and has 1/N of the bucket, full at first. That
//! is safe if it fails for all. A single isolated replica exceeds the limit by that part; then the
//! portal rejects some requests, which are retried later.

mod account;
mod bucket;
mod config;
mod handle;
mod isolated;
pub(crate) mod journal;
mod messages;
mod reports;

pub use self::bucket::{Outlook, SharedBucket};
pub use self::config::BucketConfig;
pub use self::handle::{PortalBucket, lock};
pub use self::journal::{follow, write_ask};
pub use self::messages::{Ask, Grant, Isolation};
pub use self::reports::{OperatingReport, ReportUpdate};

#[cfg(test)]
mod simulation;
