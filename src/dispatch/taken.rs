//! The answer to who asks a bucket for a permit.

use tokio::time::Instant;

/// Whether a request may be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It may. The permit is used by sending, or given back.
    Granted,
    /// There is no room before this moment.
    At(Instant),
    /// Permits are being asked for; whoever waits is woken when the answer is there.
    Asked,
}
