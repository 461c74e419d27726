//! What is sent next.

use std::time::Instant;

use super::gathering::Linger;
use super::packing::{Batch, Filling, Packing};
use super::state::{Portal, number};
use crate::breaker::Allows;
use crate::{CallNumber, Permit, Rejection, Selection, Taken, TenantKey, Waiting};

/// What happens next.
#[derive(Debug)]
pub enum Next<J> {
    /// Prepare these calls, and give them back with [`Portal::prepared`].
    Prepare(Selection<J>),
    /// Send this.
    Send(Permit<J>),
    /// Reject these calls.
    Reject(Vec<Waiting<J>>, Rejection),
    /// Nothing before this moment.
    At(Instant),
    /// Nothing until something changes.
    Nothing,
}

impl<J> Portal<J> {
    /// What happens next. To be asked again whenever something has changed, until there is nothing
    /// to send.
    pub fn next(&mut self, now: Instant) -> Next<J> {
        self.queue.wake(now);
        self.apply_reports(now);
        if self.in_flight >= self.limits.parallel_requests {
            return Next::Nothing;
        }
        let allows = self.breaker.allows(now);
        match allows {
            Allows::All | Allows::Probe => {}
            Allows::NoneWhileProbing => return Next::Nothing,
            Allows::NoneUntil(until) => {
                let retry_after = until - now;
                let mut calls = self.clear_prepared();
                calls.append(&mut self.queue.clear());
                if calls.is_empty() {
                    return Next::Nothing;
                }
                return Next::Reject(calls, Rejection::BreakerOpen { retry_after });
            }
        }
        if self.selections.prepared() > 0 {
            return self.permit(now);
        }
        // Nothing beside the probe, which is being prepared.
        if allows == Allows::Probe && !self.selections.is_empty() {
            return Next::Nothing;
        }
        self.select(now)
    }

    /// Issues a permit to the calls that are prepared.
    fn permit(&mut self, now: Instant) -> Next<J> {
        match self.budget.take(now) {
            Taken::Granted => {}
            Taken::At(moment) => return self.at(moment),
            Taken::Asked => return Next::Nothing,
        }
        let Some(prepared) = self.take_prepared() else {
            self.budget.release(now);
            return Next::Nothing;
        };
        self.breaker.sent(now);
        self.in_flight += 1;
        self.last_sent = Some(now);
        Next::Send(Permit::of(prepared))
    }

    /// Selects calls for which a permit could be had now.
    fn select(&mut self, now: Instant) -> Next<J> {
        loop {
            let Some((first, info)) = self
                .queue
                .first()
                .and_then(|first| Some((first, self.queue.info(first)?)))
            else {
                return self.queue.next_delayed().map_or(Next::Nothing, Next::At);
            };
            let (deadline, is_recorded) = (info.deadline, info.is_recorded);
            let rejected = if deadline <= now {
                Err(Rejection::DeadlinePassed)
            } else {
                self.check_operating(&info.tenant, info.method, now)
            };
            if let Err(rejection) = rejected {
                return self.reject(first, rejection);
            }
            let linger = self.linger(now);
            if let Linger::Until(moment) = linger {
                return Next::At(moment);
            }
            let before = self.selections.before(is_recorded);
            let room = self.budget.room(now) - number(before);
            let waits = match self.offer(before, is_recorded, now) {
                Taken::Granted => return self.prepare(first, room, linger, now),
                Taken::At(moment) => Some(moment),
                Taken::Asked => None,
            };
            // Calls that are being recorded keep only such calls back.
            if is_recorded
                && self.selections.is_any_recorded()
                && self.queue.has_unrecorded()
                && self.queue.pass_over(first)
            {
                continue;
            }
            let Some(moment) = waits else {
                return Next::Nothing;
            };
            if let Some(rejection) = Self::too_late(deadline, moment, now) {
                return self.reject(first, rejection);
            }
            return self.at(moment);
        }
    }

    /// Whether one more selection could get a permit now, after those before it.
    fn offer(&mut self, before: usize, is_recorded: bool, now: Instant) -> Taken {
        let parallel = if is_recorded { self.in_flight } else { 0 };
        if parallel + before >= self.limits.parallel_requests {
            return Taken::Asked;
        }
        let before = u32::try_from(before).unwrap_or(u32::MAX);
        self.budget.offer(before, now)
    }

    fn prepare(&mut self, first: CallNumber, room: f64, linger: Linger, now: Instant) -> Next<J> {
        let packing = self.packing(first, room, linger, now);
        let is_burst = packing.is_burst();
        let calls = self.take(first, packing, now);
        if calls.is_empty() {
            return Next::Nothing;
        }
        if is_burst && calls.len() > 1 {
            self.gathering.last_burst = Some(now);
        }
        self.gathering.since = None;
        Next::Prepare(self.selected(calls))
    }

    /// Nothing before this moment, or before that of a delayed call.
    fn at(&self, moment: Instant) -> Next<J> {
        let delayed = self.queue.next_delayed();
        Next::At(delayed.map_or(moment, |delayed| delayed.min(moment)))
    }

    fn reject(&mut self, call: CallNumber, rejection: Rejection) -> Next<J> {
        let calls = self.queue.cancel(call).into_iter().collect();
        Next::Reject(calls, rejection)
    }

    fn take(&mut self, first: CallNumber, packing: Packing, now: Instant) -> Vec<Waiting<J>> {
        let Some(tenant) = self.queue.info(first).map(|info| info.tenant.clone()) else {
            return Vec::new();
        };
        let calls = match packing {
            Packing::Batch(batch) => {
                let mut calls = self.take_batch(&tenant, batch.clone(), now);
                if calls.is_empty() {
                    calls = self.take_batch(&tenant, batch.for_the_hurried(), now);
                }
                calls
            }
            Packing::Single => {
                let call = self.queue.take(first);
                if let (Some(call), Some(_)) = (&call, self.operating_limit()) {
                    self.operating.sent(&tenant, call.info.method);
                }
                call.into_iter().collect()
            }
        };
        self.queue.end_turn(&tenant);
        calls
    }

    fn take_batch(&mut self, tenant: &TenantKey, batch: Batch, now: Instant) -> Vec<Waiting<J>> {
        let limit = self.operating_limit();
        let mut filling = Filling {
            batch,
            latency: &self.latency,
            operating: &mut self.operating,
            never_batched: &self.never_batched,
            limit,
            now,
            taken: 0,
            bytes: 0,
            earliest_deadline: None,
        };
        self.queue.take_batch(tenant, |info| filling.fits(info))
    }
}
