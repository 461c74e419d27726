//! The result of taking a permit from a bucket.

use std::time::Instant;

/// Whether a request may be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Yes. The caller sends the request or releases the permit.
    Granted,
    /// Not before this moment.
    At(Instant),
    /// Other replicas are asked for permits; the bucket's user is woken when they respond.
    Asked,
}
