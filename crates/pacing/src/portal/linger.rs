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

/// Calls are too many to go one by one if they would use up the bucket within this time.
const USED_UP_WITHIN: Duration = Duration::from_secs(1);

/// For how many such calls one lingers.
const JOINING: u32 = 8;

/// For how long nobody is expected to join after a call has lingered alone.
const ALONE: Duration = Duration::from_secs(1);

/// How long after a batch more calls of the same burst are expected.
const BURST: Duration = Duration::from_millis(200);

/// The least scarcity in a burst, because more batches will follow.
const SCARCE_IN_BURST: f64 = 0.5;

impl<J> Portal<J> {
    pub(super) fn linger(&mut self, now: Instant) -> Linger {
        let Some(scarcity) = self.scarcity(now) else {
            return Linger::Complete;
        };
        let least = self
            .latency
            .single()
            .map_or(LONGEST, |single| (single / SHARE).clamp(SHORTEST, LONGEST));
        let least = least.max(self.until_others_join(now));
        let is_recent = |sent: Instant| now.saturating_duration_since(sent) < least;
        let is_quiet = self.requests.in_flight() == 0
            && !self.gathering.is_lingering
            && !self.last_sent.is_some_and(is_recent);
        let size = self.batch_size(true);
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
        if complete <= now {
            self.note_company(now);
        }
        let last = self.gathering.since.unwrap_or(newest) + gap * WAITS;
        let linger = if complete <= now {
            Linger::Complete
        } else if last <= now {
            Linger::Streaming
        } else {
            self.gathering.is_lingering = true;
            return Linger::Until(complete.min(last));
        };
        self.gathering.released = Some((newest, linger));
        linger
    }

    /// How long a call lingers because others follow each other so fast that, one by one, they
    /// would soon use up the bucket: for the next few of them. A portal that answers fast gives no
    /// other sign of them. Not at all where the last call that lingered was alone: one caller makes
    /// one call after the other.
    fn until_others_join(&mut self, now: Instant) -> Duration {
        let arrivals = self.gathering.arrivals;
        let (gap, left) = (arrivals.gap(), self.budget.peek(now));
        let are_too_many = gap.mul_f64(left.max(0.0)) < USED_UP_WITHIN && gap * 2 <= LONGEST;
        let is_alone = arrivals.alone_until.is_some_and(|until| now < until);
        if are_too_many && !is_alone {
            (gap * JOINING).min(LONGEST)
        } else {
            Duration::ZERO
        }
    }

    /// Notes whether a call that has lingered was joined by others.
    fn note_company(&mut self, now: Instant) {
        let arrivals = &mut self.gathering.arrivals;
        arrivals.alone_until = (self.queue.len() <= 1).then(|| now + ALONE);
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
