//! Which calls are admitted.

use std::time::Instant;

use super::state::Portal;
use crate::breaker::Allows;
use crate::{Conversation, Rejection, SchedulingInfo};

impl<J> Portal<J> {
    /// Queues a call. It may be the [next](Self::next) at once.
    ///
    /// # Errors
    ///
    /// [`Rejection`] and the payload: the call cannot be sent in time.
    pub fn submit(
        &mut self,
        info: SchedulingInfo,
        job: J,
        now: Instant,
    ) -> Result<(), (Rejection, J)> {
        self.apply_reports(now);
        match self.admit(&info, now) {
            Ok(()) => {
                self.gathering.since.get_or_insert(now);
                self.gathering.arrivals.note(now);
                self.note_waiting(&info.conversations, now);
                self.queue.push(info, job);
                Ok(())
            }
            Err(rejection) => Err((rejection, job)),
        }
    }

    pub(super) fn admit(&self, info: &SchedulingInfo, now: Instant) -> Result<(), Rejection> {
        let retry_after = match self.breaker.allows(now) {
            Allows::All | Allows::Probe => None,
            Allows::NoneUntil(until) | Allows::NoneWhileProbing(until) => Some(until - now),
        };
        if let Some(retry_after) = retry_after {
            return Err(Rejection::BreakerOpen { retry_after });
        }
        self.check_operating(&info.tenant, info.method, now)?;
        self.check_held(&info.conversations, info.deadline, now)?;
        if self.queue.len() >= self.limits.waiting_calls {
            let retry_after = self.until_half_empty(now);
            return Err(Rejection::QueueFull { retry_after });
        }
        self.check_wait(info, now)
    }

    /// Whether a call of these conversations may have to wait, and so go in a batch.
    pub fn may_wait(&self, conversations: &[Conversation], now: Instant) -> bool {
        if self.budget.limit().is_some() {
            return self.requests.in_flight() > 0
                || !self.queue.is_empty()
                || !self.budget.has_permit(now);
        }
        self.queue.is_blocked(conversations)
    }
}
