//! How long a call would wait.

use std::time::{Duration, Instant};

use super::state::{Portal, number};
use crate::{Rejection, SchedulingInfo};

/// The shortest time after which a caller is told to retry.
const SHORTEST_RETRY: Duration = Duration::from_secs(1);

impl<J> Portal<J> {
    /// Rejects a call that would be sent too late.
    pub(super) fn check_wait(&self, info: &SchedulingInfo, now: Instant) -> Result<(), Rejection> {
        let left = info.deadline.saturating_duration_since(now);
        let expected = self.expected_wait(info, now);
        if expected.is_zero() || expected <= left {
            return Ok(());
        }
        let retry_after = (expected - left).max(SHORTEST_RETRY);
        Err(Rejection::WaitTooLong {
            expected,
            retry_after,
        })
    }

    /// How long a call would wait for its turn and its response; zero if it need not wait.
    fn expected_wait(&self, info: &SchedulingInfo, now: Instant) -> Duration {
        let size = self.batch_size(info.command_bytes.is_some());
        let behind = self
            .behind_its_conversations(info, size)
            .max(self.backoff(now));
        if self.budget.part(now).is_none() {
            return behind;
        }
        let ahead = self.queue.ahead(info.priority);
        if ahead == 0 {
            return behind.max(self.until_room(1.0, now));
        }
        let requests = (ahead + 1).div_ceil(size).max(self.queue.tenants());
        let wait = self.until_room(number(requests), now);
        if wait.is_zero() {
            return behind;
        }
        let own = self.latency.at_least(size.min(ahead + 1));
        behind.max(wait + own)
    }

    /// Rejects a call whose answer would come after its deadline.
    pub(super) fn check_moment(
        &self,
        info: &SchedulingInfo,
        now: Instant,
    ) -> Result<(), Rejection> {
        if info.deadline <= now {
            return Err(Rejection::DeadlinePassed);
        }
        let within = self.latency.within(1);
        if info.send_by(within) < now {
            return Err(Rejection::WaitTooLong {
                expected: within,
                retry_after: SHORTEST_RETRY,
            });
        }
        Ok(())
    }

    /// Rejects a call that cannot go before this moment, if that is past the last one for it.
    pub(super) fn too_late(deadline: Instant, moment: Instant, now: Instant) -> Option<Rejection> {
        (moment >= deadline).then(|| Rejection::WaitTooLong {
            expected: moment - now,
            retry_after: (moment - deadline).max(SHORTEST_RETRY),
        })
    }

    /// How long until this many requests may have been sent.
    pub(super) fn until_room(&self, requests: f64, now: Instant) -> Duration {
        let Some(limit) = self.budget.part(now) else {
            return Duration::ZERO;
        };
        let missing = requests - self.budget.peek(now);
        if missing <= 0.0 {
            return Duration::ZERO;
        }
        limit.time_for(missing)
    }

    /// How long the waiting calls of the same conversations take.
    fn behind_its_conversations(&self, info: &SchedulingInfo, size: usize) -> Duration {
        let line = self.queue.longest_line(&info.conversations);
        if line == 0 {
            return Duration::ZERO;
        }
        let requests = u32::try_from((line + 1).div_ceil(size)).unwrap_or(u32::MAX);
        let each = self.latency.at_least(size.min(line + 1));
        each.saturating_mul(requests)
    }

    /// When half of the waiting calls will have been sent.
    pub(super) fn until_half_empty(&self, now: Instant) -> Duration {
        let size = self.batch_size(true);
        let requests = number((self.queue.len() / 2).div_ceil(size));
        let part = self.budget.part(now);
        let wait = part.map_or(Duration::ZERO, |limit| limit.time_for(requests));
        wait.max(SHORTEST_RETRY)
    }
}
