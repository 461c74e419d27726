//! Calls that wait for others to join their batch.

use std::time::Instant;

/// Whether to wait for more calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Linger {
    /// Until this moment.
    Until(Instant),
    /// No: no other call has arrived for some time, or none is expected.
    Complete,
    /// No, although calls keep arriving.
    Streaming,
}

/// The calls that linger.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gathering {
    /// Since when calls have been lingering.
    pub(super) since: Option<Instant>,
    /// When the newest call arrived of those that have lingered enough, and how that ended.
    pub(super) released: Option<(Instant, Linger)>,
    /// When the last batch was sent because many calls waited.
    pub(super) last_burst: Option<Instant>,
}
