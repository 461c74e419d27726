//! Waiting for company: a call that is not alone waits some milliseconds for others.
//!
//! Calls that come at once come over a few dozen milliseconds. Without the wait the first fifty of five thousand would go singly and
//! use up the room that ten batches need. The first call on a quiet portal waits for nothing.

use std::time::Duration;

use tokio::time::Instant;

use super::Portal;

/// The part of a request's own time that a call waits for the next one to come.
const SHARE: u32 = 8;
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_millis(10);

/// How many such waits a call waits at most while others keep coming.
const WAITS: u32 = 5;

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
    pub(super) fn company(&self, now: Instant) -> Company {
        let gap = self
            .pace
            .single()
            .map_or(LONGEST, |single| (single / SHARE).clamp(SHORTEST, LONGEST));
        let is_recent = |sent: Instant| now.saturating_duration_since(sent) < gap;
        let is_quiet = self.in_the_air == 0 && !self.last_sent.is_some_and(is_recent);
        if self.budget.intensity().is_none()
            || is_quiet
            || self.queue.len() >= self.batch_size(true)
        {
            return Company::Complete;
        }
        let Some(newest) = self.queue.newest() else {
            return Company::Complete;
        };
        let complete = newest + gap;
        if complete <= now {
            return Company::Complete;
        }
        let last = self.gathering_since.unwrap_or(newest) + gap * WAITS;
        if last <= now {
            return Company::Streaming;
        }
        Company::Until(complete.min(last))
    }
}
