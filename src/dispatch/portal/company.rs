//! Waiting for company: a call that is not alone waits some milliseconds for others.
//!
//! Calls that come at once come over a few dozen milliseconds, and not evenly. Without the wait the first fifty of five thousand would
//! go singly and use up the room that ten batches need. The fewer requests are left, the more a request is worth, and the longer it
//! waits to be full. The first call on a quiet portal waits for nothing.

use std::time::Duration;

use tokio::time::Instant;

use super::Portal;

/// The part of a request's own time that a call waits for the next one to come, in any case.
const SHARE: u32 = 8;
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_millis(10);

/// The part of the time in which a request drains that a call waits for the next one when the bucket is full and it is alone.
const SHARE_WHEN_SCARCE: f64 = 0.2;
const LONGEST_WHEN_SCARCE: Duration = Duration::from_millis(100);

/// How many such waits a call waits at most while others keep coming.
const WAITS: u32 = 5;

/// While less of the bucket than this is used, requests are plenty.
const PLENTY: f64 = 0.25;

/// For so long after a batch more calls of the same burst are expected.
const BURST: Duration = Duration::from_millis(200);

/// How scarce requests are taken to be in a burst, at least: there will be more batches.
const SCARCE_IN_BURST: f64 = 0.5;

/// Whether to wait for more calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Company {
    /// Until this moment.
    Until(Instant),
    /// No: nobody else has come for a while, or nobody is expected.
    Complete,
    /// No, although they keep coming.
    Streaming,
}

impl<J> Portal<J> {
    pub(super) fn company(&mut self, now: Instant) -> Company {
        let least = self
            .pace
            .single()
            .map_or(LONGEST, |single| (single / SHARE).clamp(SHORTEST, LONGEST));
        let is_recent = |sent: Instant| now.saturating_duration_since(sent) < least;
        let is_quiet = self.in_the_air == 0 && !self.last_sent.is_some_and(is_recent);
        let size = self.batch_size(true);
        let Some(scarcity) = self.scarcity(now) else {
            return Company::Complete;
        };
        if is_quiet || self.queue.len() >= size {
            return Company::Complete;
        }
        let Some(newest) = self.queue.newest() else {
            return Company::Complete;
        };
        // Those who have waited enough go one after the other, however few requests that leaves.
        if let Some((released, company)) = self.released
            && released == newest
        {
            return company;
        }
        let gap = least + self.more_when_scarce(least, scarcity);
        let complete = newest + gap;
        let last = self.gathering_since.unwrap_or(newest) + gap * WAITS;
        let company = if complete <= now {
            Company::Complete
        } else if last <= now {
            Company::Streaming
        } else {
            return Company::Until(complete.min(last));
        };
        self.released = Some((newest, company));
        company
    }

    /// Whether a batch went a moment ago, because many calls came at once.
    pub(super) fn is_in_burst(&self, now: Instant) -> bool {
        self.last_crowd
            .is_some_and(|sent| now.saturating_duration_since(sent) < BURST)
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

    /// What a call waits beyond the least: hardly anything while requests are plenty, or if the batch is nearly full.
    fn more_when_scarce(&self, least: Duration, scarcity: f64) -> Duration {
        let drains = self.budget.intensity().map_or(f64::INFINITY, |intensity| {
            SHARE_WHEN_SCARCE / intensity.per_second
        });
        let most = Duration::try_from_secs_f64(drains).unwrap_or(LONGEST_WHEN_SCARCE);
        let most = most.min(LONGEST_WHEN_SCARCE).saturating_sub(least);
        let missing = 1.0 - number(self.queue.len()) / number(self.batch_size(true));
        most.mul_f64(scarcity * missing.clamp(0.0, 1.0))
    }
}

fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
