//! What is known of one portal, and what is sent to it next. No clock and no input or output of its own, so that hours of it can be
//! tried in a moment.

mod company;
mod demand;
mod load;
mod operating;
mod wait;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use self::company::Company;
use self::load::{Batch, Load, Loading};
use super::breaker::{Breaker, Way};
use super::budget::{Budget, Share};
use super::not_admitted::NotAdmitted;
use super::operating::OperatingBudgets;
use super::pace::Pace;
use super::permit::Permit;
use super::queue::{CallNumber, Queue, Terms, Waiting};
use super::repeats::Repeats;
use super::settings::Options;
use super::taken::Taken;
use crate::call::Conversation;
use bitrix24::Method;
use bitrix24::{Intensity, TenantId};

/// How long it is remembered that a portal refuses a method, or a tenant's calls, in a batch. Portals are updated.
const REMEMBERED: Duration = Duration::from_secs(3600);

/// How long a portal is kept in memory after its last request.
const UNUSED: Duration = Duration::from_secs(600);

/// How soon to try again while a request probes whether the portal is back.
const WHILE_PROBING: Duration = Duration::from_secs(1);

/// The state of one portal. `J` is what a call carries.
#[derive(Debug)]
pub(super) struct Portal<J> {
    options: Arc<Options>,
    queue: Queue<J>,
    budget: Budget,
    /// How its budgets are shared with other replicas, if they are.
    share: Option<Share>,
    operating: OperatingBudgets,
    pace: Pace,
    breaker: Breaker,
    repeats: Repeats,
    /// Requests on their way.
    in_the_air: usize,
    last_sent: Option<Instant>,
    /// When the last batch went because many calls waited.
    last_crowd: Option<Instant>,
    /// Since when calls have been waiting for company.
    gathering_since: Option<Instant>,
    /// When the newest of those calls came that have waited enough for company, and how that ended.
    released: Option<(Instant, Company)>,
    /// The plans that the portal's tenants name; the smallest counts.
    plans: HashMap<TenantId, Option<Intensity>>,
    /// How often something was heard of other replicas.
    heard: u64,
    never_batched: HashMap<Method, Instant>,
    tenants_without_batches: HashMap<TenantId, Instant>,
}

/// What happens next.
#[derive(Debug)]
pub(super) enum Next<J> {
    /// This is sent.
    Send(Permit<J>),
    /// These cannot be sent.
    Refuse(Vec<Waiting<J>>, NotAdmitted),
    /// Nothing before this moment.
    At(Instant),
    /// Nothing until something changes.
    Nothing,
}

/// How a request has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// The portal has answered.
    Answered,
    /// The portal has refused it because its bucket is full.
    RateLimited,
    /// It never left, for a reason that says nothing of the portal.
    Withdrawn,
    /// The portal could not be reached; nothing left.
    Unreachable,
    /// It left, and no answer came.
    Lost,
}

impl<J> Portal<J> {
    pub(super) fn new(options: Arc<Options>, intensity: Option<Intensity>, now: Instant) -> Self {
        Self {
            options,
            queue: Queue::new(),
            budget: Budget::new(intensity, None, now),
            share: None,
            operating: OperatingBudgets::default(),
            pace: Pace::default(),
            breaker: Breaker::default(),
            repeats: Repeats::default(),
            in_the_air: 0,
            last_sent: None,
            last_crowd: None,
            gathering_since: None,
            released: None,
            plans: HashMap::new(),
            heard: 0,
            never_batched: HashMap::new(),
            tenants_without_batches: HashMap::new(),
        }
    }

    /// The same with budgets that are shared with other replicas.
    pub(super) fn sharing(self, share: Share, now: Instant) -> Self {
        Self {
            budget: Budget::new(self.budget.intensity(), Some(&share), now),
            share: Some(share),
            ..self
        }
    }

    /// Takes over what a tenant's plan says of the portal. Of several plans the smallest counts.
    pub(super) fn note_plan(&mut self, tenant: &TenantId, plan: Option<Intensity>, now: Instant) {
        if self.plans.get(tenant) == Some(&plan) {
            return;
        }
        self.plans.insert(tenant.clone(), plan);
        let smallest = self
            .plans
            .values()
            .flatten()
            .copied()
            .reduce(|one, other| Intensity {
                burst: one.burst.min(other.burst),
                per_second: one.per_second.min(other.per_second),
            });
        let share = self.share.as_ref();
        self.budget.set_intensity(smallest, share, now);
    }

    /// Lets a call in, to wait for its turn. It may well be [next](Self::next) at once.
    ///
    /// # Errors
    ///
    /// [`NotAdmitted`] with what the call carries: it cannot be sent in time.
    pub(super) fn submit(
        &mut self,
        terms: Terms,
        job: J,
        now: Instant,
    ) -> Result<(), (NotAdmitted, J)> {
        self.hear(now);
        match self.admit(&terms, now) {
            Ok(()) => {
                self.gathering_since.get_or_insert(now);
                self.queue.push(terms, job);
                Ok(())
            }
            Err(refused) => Err((refused, job)),
        }
    }

    fn admit(&self, terms: &Terms, now: Instant) -> Result<(), NotAdmitted>
    where
        Self: Sized,
    {
        let down = |retry_after| NotAdmitted::PortalDown { retry_after };
        match self.breaker.way(now) {
            Way::Free | Way::Probe => {}
            Way::Closed { until } => return Err(down(until - now)),
            Way::Probing => return Err(down(WHILE_PROBING)),
        }
        self.check_operating(&terms.tenant, terms.method.name(), now)?;
        if self.queue.len() >= self.options.maximum_waiting_calls_per_portal {
            let retry_after = self.until_half_empty(now);
            return Err(NotAdmitted::QueueFull { retry_after });
        }
        self.check_wait(terms, now)
    }

    /// What happens next. To be asked again whenever something has changed, until it has nothing to send.
    pub(super) fn next(&mut self, now: Instant) -> Next<J> {
        self.queue.wake(now);
        self.hear(now);
        if self.in_the_air >= self.options.parallel_requests_per_portal {
            return Next::Nothing;
        }
        match self.breaker.way(now) {
            Way::Free | Way::Probe => {}
            Way::Probing => return Next::Nothing,
            Way::Closed { until } => {
                let retry_after = until - now;
                return match self.queue.clear() {
                    none if none.is_empty() => Next::Nothing,
                    calls => Next::Refuse(calls, NotAdmitted::PortalDown { retry_after }),
                };
            }
        }
        let Some((first, terms)) = self
            .queue
            .first()
            .and_then(|first| Some((first, self.queue.terms(first)?)))
        else {
            return self.queue.next_delayed().map_or(Next::Nothing, Next::At);
        };
        let refused = if terms.deadline <= now {
            Err(NotAdmitted::DeadlinePassed)
        } else {
            self.check_operating(&terms.tenant, terms.method.name(), now)
        };
        if let Err(refused) = refused {
            let calls = self.queue.cancel(first).into_iter().collect();
            return Next::Refuse(calls, refused);
        }
        let company = self.company(now);
        if let Company::Until(moment) = company {
            return Next::At(moment);
        }
        let room = self.budget.room(now);
        match self.budget.take(now) {
            Taken::Granted => {}
            Taken::At(moment) => {
                let late = self
                    .queue
                    .terms(first)
                    .map(|terms| Self::check_moment(terms, moment, now));
                if let Some(Err(refused)) = late {
                    let calls = self.queue.cancel(first).into_iter().collect();
                    return Next::Refuse(calls, refused);
                }
                let delayed = self.queue.next_delayed();
                return Next::At(delayed.map_or(moment, |delayed| delayed.min(moment)));
            }
            Taken::Asked => return Next::Nothing,
        }
        let load = self.load(first, room, company, now);
        let is_crowd = load.is_crowd();
        let calls = self.take(first, load, now);
        if calls.is_empty() {
            self.budget.give_back(now);
            return Next::Nothing;
        }
        if is_crowd && calls.len() > 1 {
            self.last_crowd = Some(now);
        }
        self.breaker.sent(now);
        self.in_the_air += 1;
        self.last_sent = Some(now);
        self.gathering_since = None;
        Next::Send(Permit::of(calls))
    }

    fn take(&mut self, first: CallNumber, load: Load, now: Instant) -> Vec<Waiting<J>> {
        let limit = self.operating_limit();
        let terms = self.queue.terms(first);
        let tenant = terms.map(|terms| terms.tenant.clone());
        match (load, tenant) {
            (Load::Batch(batch), Some(tenant)) => {
                let mut calls = self.take_batch(&tenant, batch.clone(), now);
                if calls.is_empty() {
                    calls = self.take_batch(&tenant, batch.for_the_hurried(), now);
                }
                self.queue.turn(&tenant);
                calls
            }
            (Load::Single, Some(tenant)) => {
                let call = self.queue.take(first);
                if let (Some(call), Some(_)) = (&call, limit) {
                    self.operating.sent(&tenant, call.terms.method.name());
                }
                self.queue.turn(&tenant);
                call.into_iter().collect()
            }
            (_, None) => Vec::new(),
        }
    }

    fn take_batch(&mut self, tenant: &TenantId, batch: Batch, now: Instant) -> Vec<Waiting<J>> {
        let limit = self.operating_limit();
        let mut loading = Loading {
            batch,
            pace: &self.pace,
            operating: &mut self.operating,
            never_batched: &self.never_batched,
            limit,
            now,
            taken: 0,
            bytes: 0,
            earliest_deadline: None,
        };
        self.queue.take_batch(tenant, |terms| loading.fits(terms))
    }

    /// A request that was let go has left.
    pub(super) fn departed(&mut self, now: Instant) {
        self.budget.departed(now);
    }

    /// A request has ended, which took so long since it left. `departed` was told exactly if it had left. True if the portal is
    /// left alone from now on.
    pub(super) fn landed(
        &mut self,
        calls: &[(TenantId, Method)],
        fate: Fate,
        took: Duration,
        now: Instant,
    ) -> bool {
        self.in_the_air = self.in_the_air.saturating_sub(1);
        if self.operating_limit().is_some() {
            for (tenant, method) in calls {
                self.operating.ended(tenant, method.name());
            }
        }
        let mut opened = false;
        match fate {
            Fate::Answered => {
                self.pace.measured(calls.len(), took);
                self.budget.accepted();
                self.breaker.answered();
                self.repeats.earn();
            }
            Fate::RateLimited => {
                self.budget.refused(now);
                self.breaker.answered();
            }
            Fate::Withdrawn => {
                self.budget.give_back(now);
                self.breaker.undecided(now);
            }
            Fate::Unreachable => {
                self.budget.give_back(now);
                opened = self.breaker.failed(now);
            }
            Fate::Lost => opened = self.breaker.failed(now),
        }
        opened
    }

    /// How long a call that could not reach the portal waits before it is tried again; `None` if it is not.
    pub(super) fn repeat_after(&mut self, attempts_before: u32) -> Option<Duration> {
        self.repeats.wait(attempts_before)
    }

    /// Lets those go that wait behind these conversations, after the calls that were certainly not executed have got their old places
    /// back.
    pub(super) fn settle(&mut self, conversations: &[Conversation], again: Vec<(Terms, J)>) {
        self.queue.land(conversations);
        let mut again = again;
        again.sort_by_key(|(terms, _)| std::cmp::Reverse(terms.number));
        for (terms, job) in again {
            self.queue.put_back(terms, job);
        }
    }

    /// Whether a call of these conversations may have to wait, and so travel in a batch.
    pub(super) fn may_wait(&self, conversations: &[Conversation], now: Instant) -> bool {
        if self.budget.intensity().is_some() {
            return self.in_the_air > 0 || !self.queue.is_empty() || !self.budget.has_permit(now);
        }
        self.queue.is_blocked(conversations)
    }

    /// Takes note that a request is overdue: its callers have stopped waiting. True if the portal is left alone from now on.
    pub(super) fn overdue(&mut self, now: Instant) -> bool {
        self.breaker.failed(now)
    }

    /// Takes a call out that nobody waits for any more, unless it was sent.
    pub(super) fn cancel(&mut self, number: CallNumber) -> Option<Waiting<J>> {
        self.queue.cancel(number)
    }

    /// The portal does not take this method in a batch.
    pub(super) fn note_never_batched(&mut self, method: Method, now: Instant) {
        self.never_batched.insert(method, now + REMEMBERED);
    }

    /// The portal does not take batches of this tenant.
    pub(super) fn note_no_batches(&mut self, tenant: &TenantId, now: Instant) {
        let until = now + REMEMBERED;
        self.tenants_without_batches.insert(tenant.clone(), until);
    }

    /// How full the bucket is: 0 empty, 1 full; `None` without a limit.
    pub(super) fn fill(&mut self, now: Instant) -> Option<f64> {
        let burst = f64::from(self.budget.part(now)?.burst);
        Some((1.0 - self.budget.room(now) / burst).clamp(0.0, 1.0))
    }

    pub(super) fn is_down(&self) -> bool {
        self.breaker.is_open()
    }

    /// Whether nothing of worth would be lost by forgetting the portal.
    pub(super) fn is_idle(&mut self, now: Instant) -> bool {
        self.queue.is_empty()
            && self.in_the_air == 0
            && !self.breaker.is_open()
            && self.budget.is_idle(now)
            && self
                .last_sent
                .is_none_or(|sent| now.saturating_duration_since(sent) > UNUSED)
    }
}

#[cfg(test)]
mod tests;
