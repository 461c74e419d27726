//! What is sent next.

use std::time::Instant;

use super::gathering::Linger;
use super::packing::{Batch, Filling, Packing};
use super::state::{Portal, number};
use crate::breaker::Allows;
use crate::operating::BATCH;
use crate::{
    CallNumber, OperatingKey, Permit, Rejection, SchedulingInfo, Selection, Taken, TenantKey,
    Waiting,
};

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
        self.check_requests(now);
        if let Some((number, rejection)) = self.next_held(now) {
            return self.reject(number, rejection);
        }
        if self.free_requests() == 0 {
            return Next::Nothing;
        }
        let allows = self.breaker.allows(now);
        match allows {
            Allows::All | Allows::Probe => {}
            Allows::NoneWhileProbing(until) => {
                let is_idle = self.queue.is_empty() && self.selections.prepared() == 0;
                return if is_idle {
                    Next::Nothing
                } else {
                    Next::At(until)
                };
            }
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
        self.last_sent = Some(now);
        let size = prepared.calls.len();
        let takes = match size {
            1 => self.latency.within(1),
            // Less than what it was packed for, or it might never leave.
            _ => self.latency.expected(size),
        };
        let send_by = prepared.infos().map(|info| info.send_by(takes)).min();
        let (calls, request) = self.requests.permit(prepared);
        Next::Send(Permit::new(request, send_by.unwrap_or(now), calls))
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
            let send_by = info.send_by(self.latency.within(1));
            let is_recorded = info.is_recorded;
            let rejected = self
                .check_moment(info, now)
                .and_then(|()| self.check_operating(&info.tenant, info.method, now));
            if let Err(rejection) = rejected {
                return self.reject(first, rejection);
            }
            if let Some(moment) = self.behind_a_scout(first, now) {
                return self.at(moment);
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
            if let Some(rejection) = Self::too_late(send_by, moment, now) {
                return self.reject(first, rejection);
            }
            return self.at(moment);
        }
    }

    /// Whether one more selection could get a permit now, after those before it.
    fn offer(&mut self, before: usize, is_recorded: bool, now: Instant) -> Taken {
        let most = if is_recorded {
            self.free_requests()
        } else {
            self.limits.parallel_requests
        };
        if before >= most {
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
        self.gathering.is_lingering = false;
        Next::Prepare(self.selected(calls))
    }

    /// When to ask [`next`](Self::next) again although nothing has changed: a request may be
    /// overdue by then.
    pub fn next_check(&self) -> Option<Instant> {
        let checks = [self.requests.next_check(), self.held_check];
        checks.into_iter().flatten().min()
    }

    /// How many more requests may be in flight. The places of overdue ones are lent out, so that a
    /// portal that hung is used again as soon as it is well.
    pub(super) fn free_requests(&self) -> usize {
        let (most, in_flight) = (self.limits.parallel_requests, self.requests.in_flight());
        let waited_for = in_flight - self.requests.overdue();
        let lent = most.saturating_mul(2).saturating_sub(in_flight);
        most.saturating_sub(waited_for).min(lent)
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
                if let Some(call) = &call {
                    let key = self.operating_key(&tenant).clone();
                    self.operating.sent(&key, call.info.method, now);
                }
                call.into_iter().collect()
            }
        };
        self.queue.end_turn(&tenant);
        calls
    }

    fn take_batch(&mut self, tenant: &TenantKey, batch: Batch, now: Instant) -> Vec<Waiting<J>> {
        let (size, keep_whole) = (batch.size(), batch.keeps_conversations_whole);
        let mut filling = Filling {
            batch,
            latency: &self.latency,
            operating: &mut self.operating,
            never_batched: &self.never_batched,
            limit: self.limits.operating_time,
            all_tenants: match self.limits.operating_key {
                OperatingKey::Portal => Some(&self.all_tenants),
                OperatingKey::Tenant => None,
            },
            now,
            taken: 0,
            bytes: 0,
            earliest_deadline: None,
        };
        let fits = |info: &SchedulingInfo| filling.fits(info);
        let calls = self.queue.take_batch(tenant, size, keep_whole, fits);
        if calls.len() == 1 {
            // It goes in a request of its own.
            let key = self.operating_key(tenant).clone();
            self.operating.completed(&key, BATCH, false);
        }
        calls
    }
}
