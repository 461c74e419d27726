//! Calls that wait for others to join their batch.

use std::time::{Duration, Instant};

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
    pub(super) arrivals: Arrivals,
    /// Whether calls have been told to wait since the last ones were sent.
    pub(super) is_lingering: bool,
}

/// How fast calls follow each other.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Arrivals {
    last: Option<Instant>,
    /// The mean time from one to the next, of the last few.
    gap: Option<Duration>,
    /// Until when nobody is expected to join: the last call that lingered for others was alone.
    pub(super) alone_until: Option<Instant>,
}

/// The part of the newest gap in the mean.
const NEWEST: f64 = 0.25;

/// Gaps are not taken to be longer: after a pause a burst is to be noticed soon.
const LONGEST_GAP: Duration = Duration::from_millis(20);

impl Arrivals {
    pub(super) fn note(&mut self, now: Instant) {
        if let Some(last) = self.last.replace(now) {
            let gap = now.saturating_duration_since(last).min(LONGEST_GAP);
            let before = self.gap.unwrap_or(LONGEST_GAP);
            self.gap = Some(before.mul_f64(1.0 - NEWEST) + gap.mul_f64(NEWEST));
        }
    }

    /// The mean time from one call to the next.
    pub(super) fn gap(&self) -> Duration {
        self.gap.unwrap_or(LONGEST_GAP)
    }
}
