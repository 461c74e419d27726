//! What is sent next.

use std::time::Instant;

use super::gathering::Linger;
use super::packing::{Batch, Filling, Packing};
use super::state::Portal;
use crate::breaker::Allows;
use crate::{CallNumber, Permit, Rejection, Taken, TenantKey, Waiting};

/// What happens next.
#[derive(Debug)]
pub enum Next<J> {
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
        match self.breaker.allows(now) {
            Allows::All | Allows::Probe => {}
            Allows::NoneWhileProbing => return Next::Nothing,
            Allows::NoneUntil(until) => {
                let retry_after = until - now;
                return match self.queue.clear() {
                    none if none.is_empty() => Next::Nothing,
                    calls => Next::Reject(calls, Rejection::BreakerOpen { retry_after }),
                };
            }
        }
        let Some((first, info)) = self
            .queue
            .first()
            .and_then(|first| Some((first, self.queue.info(first)?)))
        else {
            return self.queue.next_delayed().map_or(Next::Nothing, Next::At);
        };
        let deadline = info.deadline;
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
        let room = self.budget.room(now);
        match self.budget.take(now) {
            Taken::Granted => {}
            Taken::At(moment) => {
                if let Some(rejection) = Self::too_late(deadline, moment, now) {
                    return self.reject(first, rejection);
                }
                let delayed = self.queue.next_delayed();
                return Next::At(delayed.map_or(moment, |delayed| delayed.min(moment)));
            }
            Taken::Asked => return Next::Nothing,
        }
        let packing = self.packing(first, room, linger, now);
        let is_burst = packing.is_burst();
        let calls = self.take(first, packing, now);
        if calls.is_empty() {
            self.budget.release(now);
            return Next::Nothing;
        }
        if is_burst && calls.len() > 1 {
            self.gathering.last_burst = Some(now);
        }
        self.breaker.sent(now);
        self.in_flight += 1;
        self.last_sent = Some(now);
        self.gathering.since = None;
        Next::Send(Permit::of(calls))
    }

    fn reject(&mut self, number: CallNumber, rejection: Rejection) -> Next<J> {
        let calls = self.queue.cancel(number).into_iter().collect();
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
