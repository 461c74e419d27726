//! How long a call would wait.

use std::time::Duration;

use tokio::time::Instant;

use super::Portal;
use crate::dispatch::not_admitted::NotAdmitted;
use crate::dispatch::queue::Terms;

/// The shortest time after which a caller is asked to try again.
const SHORTEST_RETRY: Duration = Duration::from_secs(1);

impl<J> Portal<J> {
    /// Refuses a call whose turn would come too late.
    pub(super) fn check_wait(&self, terms: &Terms, now: Instant) -> Result<(), NotAdmitted> {
        let left = terms.deadline.saturating_duration_since(now);
        let expected = self.expected_wait(terms, now);
        if expected.is_zero() || expected <= left {
            return Ok(());
        }
        let retry_after = (expected - left).max(SHORTEST_RETRY);
        Err(NotAdmitted::WaitTooLong {
            expected,
            retry_after,
        })
    }

    /// How long a call would wait for its turn and its answer; zero if it need not wait.
    fn expected_wait(&self, terms: &Terms, now: Instant) -> Duration {
        let size = self.batch_size(terms.command_bytes.is_some());
        let behind = self.behind_its_own(terms, size).max(self.pause(now));
        if self.budget.part(now).is_none() {
            return behind;
        }
        let ahead = self.queue.ahead(terms.priority);
        if ahead == 0 {
            return behind.max(self.until_room(1.0, now));
        }
        let requests = (ahead + 1).div_ceil(size).max(self.queue.tenants());
        let wait = self.until_room(number(requests), now);
        if wait.is_zero() {
            return behind;
        }
        let own = self.pace.at_least(size.min(ahead + 1));
        behind.max(wait + own)
    }

    /// How much longer nothing is sent because the portal has refused.
    pub(in crate::dispatch) fn pause(&self, now: Instant) -> Duration {
        self.budget.pause(now)
    }

    /// A call that cannot go before this moment, if that is too late for it.
    pub(super) fn check_moment(
        terms: &Terms,
        moment: Instant,
        now: Instant,
    ) -> Result<(), NotAdmitted> {
        if moment < terms.deadline {
            return Ok(());
        }
        Err(NotAdmitted::WaitTooLong {
            expected: moment - now,
            retry_after: (moment - terms.deadline).max(SHORTEST_RETRY),
        })
    }

    /// How long until so many requests may have gone.
    fn until_room(&self, requests: f64, now: Instant) -> Duration {
        let Some(intensity) = self.budget.part(now) else {
            return Duration::ZERO;
        };
        let missing = requests - self.budget.peek(now);
        if missing <= 0.0 {
            return Duration::ZERO;
        }
        intensity.time_for(missing)
    }

    /// How long the calls of the same conversation take that wait before this one.
    fn behind_its_own(&self, terms: &Terms, size: usize) -> Duration {
        let line = self.queue.longest_line(&terms.conversations);
        if line == 0 {
            return Duration::ZERO;
        }
        let requests = u32::try_from((line + 1).div_ceil(size)).unwrap_or(u32::MAX);
        self.pace
            .at_least(size.min(line + 1))
            .saturating_mul(requests)
    }

    /// When half of the calls that wait will have gone.
    pub(super) fn until_half_empty(&self, now: Instant) -> Duration {
        let size = self.batch_size(true);
        let requests = number((self.queue.len() / 2).div_ceil(size));
        let wait = self
            .budget
            .part(now)
            .map_or(Duration::ZERO, |intensity| intensity.time_for(requests));
        wait.max(SHORTEST_RETRY)
    }

    pub(super) fn batch_size(&self, may_be_batched: bool) -> usize {
        if may_be_batched {
            let size = self.options.maximum_batch.min(self.pace.largest_batch());
            size.max(1)
        } else {
            1
        }
    }
}

fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
