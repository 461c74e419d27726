//! What would become of a call if it came now.

use std::time::{Duration, Instant};

use super::state::{Portal, number};
use crate::{Rejection, SchedulingInfo};

/// What a portal expects of a call that would be admitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forecast {
    /// How long it would wait for its turn; zero if it would be sent at once.
    pub wait: Duration,
    /// Queued calls.
    pub waiting: usize,
    /// What is left of the method's operating time, if the portal reported how much is used.
    pub operating_left: Option<Duration>,
}

impl<J> Portal<J> {
    /// Judges a call as [`submit`](Self::submit) would, without queuing it. It takes no permit, and
    /// no other call is delayed.
    ///
    /// # Errors
    ///
    /// [`Rejection`]: the call would not be queued.
    pub fn forecast(&mut self, info: &SchedulingInfo, now: Instant) -> Result<Forecast, Rejection> {
        self.apply_reports(now);
        self.admit(info, now)?;
        let operating_left = self.limits.operating_time.and_then(|limit| {
            let tenant = self.operating_key(&info.tenant);
            self.operating.remaining(tenant, info.method, limit, now)
        });
        Ok(Forecast {
            wait: self.expected_turn(info, now),
            waiting: self.queue.len(),
            operating_left,
        })
    }

    /// How long until a call could be sent, by the calls before it. Unlike the expected wait that
    /// admission compares with the deadline, it leaves out the time of the call's own response.
    fn expected_turn(&self, info: &SchedulingInfo, now: Instant) -> Duration {
        let size = self.batch_size(info.command_bytes.is_some());
        let line = self.queue.longest_line(&info.conversations);
        let is_busy = self.queue.is_blocked(&info.conversations);
        let before = line.div_ceil(size).max(usize::from(is_busy));
        let each = self.latency.at_least(size.min(line.max(1)));
        let in_line = each.saturating_mul(u32::try_from(before).unwrap_or(u32::MAX));
        let ahead = self.queue.ahead(info.priority);
        let requests = match ahead {
            0 => 1,
            ahead => (ahead + 1).div_ceil(size).max(self.queue.tenants()),
        };
        let turn = self.until_room(number(requests), now);
        turn.max(in_line).max(self.backoff(now))
    }
}
