//! Scouts: calls that go singly to find out how long a portal takes.
//!
//! Before the first response nobody knows how long a command takes, or how much operating time a
//! method uses. A full batch on a guess would risk fifty deadlines at once, and several of them the
//! operating limit. So one call goes ahead, and the others wait a moment for its response.

use std::time::{Duration, Instant};

use super::gathering::Linger;
use super::state::Portal;
use crate::{CallNumber, SchedulingInfo};

/// How long the calls behind a scout wait for its response, from when it was sent: before, it may
/// wait for a connection. A portal that takes longer gets small batches.
const PATIENCE: Duration = Duration::from_millis(250);

/// The largest batch before anything was measured.
const UNMEASURED_BATCH: usize = 5;

/// How many requests are in flight at most, beside overdue ones, before anything was measured:
/// many small batches would use up the requests that a few full ones need.
const UNMEASURED_REQUESTS: usize = 10;

/// What is known of the calls of a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scouting {
    /// How long they take.
    Known,
    /// Nothing, and none is in flight: one goes ahead.
    Needed,
    /// One went ahead; its response is worth waiting for until this moment.
    Until(Instant),
    /// It takes too long: others go too, a few at a time.
    Late,
}

impl<J> Portal<J> {
    pub(super) fn scouting(&self, info: &SchedulingInfo, now: Instant) -> Scouting {
        let key = self.operating_key(&info.tenant);
        if self.latency.single().is_some() && self.operating.is_answered(key, info.method) {
            return Scouting::Known;
        }
        match self.operating.first_sent(key, info.method) {
            None => Scouting::Needed,
            Some(_) => {
                let until = self.requests.first_sent().unwrap_or(now) + PATIENCE;
                if now < until {
                    Scouting::Until(until)
                } else {
                    Scouting::Late
                }
            }
        }
    }

    /// Until when the call waits for the response of a scout: only if it would go in a batch with
    /// others, because there are many.
    pub(super) fn behind_a_scout(&mut self, first: CallNumber, now: Instant) -> Option<Instant> {
        let info = self.queue.info(first)?;
        let waited_for = self.requests.in_flight() - self.requests.overdue();
        let moment = match self.scouting(info, now) {
            Scouting::Until(moment) => moment,
            Scouting::Late if waited_for >= UNMEASURED_REQUESTS => now + PATIENCE,
            Scouting::Late | Scouting::Needed | Scouting::Known => return None,
        };
        if !self.may_be_batched(info, now) {
            return None;
        }
        let room = self.budget.room(now);
        self.is_crowded(room, Linger::Complete, now)
            .then_some(moment)
    }

    /// The largest batch while this much is known.
    pub(super) fn scouted_batch(&self, scouting: Scouting) -> usize {
        let size = self.batch_size(true);
        match scouting {
            Scouting::Known => size,
            Scouting::Needed | Scouting::Until(_) => 1,
            Scouting::Late => size.min(UNMEASURED_BATCH),
        }
    }
}
