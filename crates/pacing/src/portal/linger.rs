//! Linger: under load a call waits a few milliseconds so that others can join its batch.
//!
//! Calls of a burst arrive over a few dozen milliseconds, and unevenly. Without lingering, the
//! first fifty of five thousand would be sent singly and use up the rate limit that ten batches
//! need. The fewer requests are left, the longer a call lingers for a full batch. The first call
//! on a quiet portal does not linger.

use std::time::{Duration, Instant};

use super::gathering::Linger;
use super::state::{Portal, number};

/// The part of a request's own time that a call lingers for the next one in any case.
const SHARE: u32 = 8;
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_millis(10);

/// The part of the time in which a request drains that a single call lingers when the bucket is
/// full.
const SHARE_WHEN_SCARCE: f64 = 0.2;
const LONGEST_WHEN_SCARCE: Duration = Duration::from_millis(100);

/// How many such waits a call lingers at most while others keep arriving.
const WAITS: u32 = 5;

/// Requests are not scarce while less of the bucket than this is used.
const PLENTY: f64 = 0.25;

/// How long after a batch more calls of the same burst are expected.
const BURST: Duration = Duration::from_millis(200);

/// The least scarcity in a burst, because more batches will follow.
const SCARCE_IN_BURST: f64 = 0.5;

impl<J> Portal<J> {
    pub(super) fn linger(&mut self, now: Instant) -> Linger {
        let least = self
            .latency
            .single()
            .map_or(LONGEST, |single| (single / SHARE).clamp(SHORTEST, LONGEST));
        let is_recent = |sent: Instant| now.saturating_duration_since(sent) < least;
        let is_quiet = self.requests.in_flight() == 0 && !self.last_sent.is_some_and(is_recent);
        let size = self.batch_size(true);
        let Some(scarcity) = self.scarcity(now) else {
            return Linger::Complete;
        };
        if is_quiet || self.queue.side_by_side() >= size {
            return Linger::Complete;
        }
        let Some(newest) = self.queue.newest() else {
            return Linger::Complete;
        };
        // Calls that have lingered enough go one after the other, even if few requests are left.
        if let Some((released, linger)) = self.gathering.released
            && released == newest
        {
            return linger;
        }
        let gap = least + self.more_when_scarce(least, scarcity);
        let complete = newest + gap;
        let last = self.gathering.since.unwrap_or(newest) + gap * WAITS;
        let linger = if complete <= now {
            Linger::Complete
        } else if last <= now {
            Linger::Streaming
        } else {
            return Linger::Until(complete.min(last));
        };
        self.gathering.released = Some((newest, linger));
        linger
    }

    /// Whether a batch was sent a moment ago because many calls arrived at once.
    pub(super) fn is_in_burst(&self, now: Instant) -> bool {
        let last = self.gathering.last_burst;
        last.is_some_and(|sent| now.saturating_duration_since(sent) < BURST)
    }

    /// How scarce requests are, from 0 to 1; `None` without a limit.
    fn scarcity(&self, now: Instant) -> Option<f64> {
        let burst = f64::from(self.budget.part(now)?.burst);
        let used = 1.0 - self.budget.peek(now) / burst;
        let scarcity = ((used - PLENTY) / (1.0 - PLENTY)).clamp(0.0, 1.0);
        Some(if self.is_in_burst(now) {
            scarcity.max(SCARCE_IN_BURST)
        } else {
            scarcity
        })
    }

    /// How long a call lingers beyond the least: hardly at all while requests are plenty, or if the
    /// batch is nearly full.
    fn more_when_scarce(&self, least: Duration, scarcity: f64) -> Duration {
        let limit = self.budget.limit();
        let drains = limit.map_or(f64::INFINITY, |limit| SHARE_WHEN_SCARCE / limit.per_second);
        let most = Duration::try_from_secs_f64(drains).unwrap_or(LONGEST_WHEN_SCARCE);
        let most = most.min(LONGEST_WHEN_SCARCE).saturating_sub(least);
        let missing = 1.0 - number(self.queue.len()) / number(self.batch_size(true));
        most.mul_f64(scarcity * missing.clamp(0.0, 1.0))
    }
}
