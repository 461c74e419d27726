//! The state of one portal, and the events that change it.

use std::fmt;
use std::time::{Duration, Instant};

use foldhash::HashMap;

use super::gathering::Gathering;
use super::requests::{CompletedRequest, LateRequest, Requests};
use super::selections::Selections;
use crate::breaker::Breaker;
use crate::budget::{Budget, OpenShared};
use crate::latency::LatencyEstimate;
use crate::operating::OperatingBudgets;
use crate::queue::Queue;
use crate::retry_budget::RetryBudget;
use crate::{CallNumber, Limits, RateLimit, RequestNumber, SchedulingInfo, TenantKey, Waiting};

/// How long the service remembers that a portal rejects a method, or a tenant's calls, in batches.
/// Portals are updated.
const REMEMBERED: Duration = Duration::from_secs(3600);

/// How long a portal is kept in memory after its last request.
const UNUSED: Duration = Duration::from_secs(600);

/// The state of one portal. `J` is the payload of a call.
pub struct Portal<J> {
    pub(super) limits: Limits,
    pub(super) queue: Queue<J>,
    pub(super) budget: Budget,
    /// Set if replicas share the rate limit.
    open_shared: Option<OpenShared>,
    pub(super) operating: OperatingBudgets,
    pub(super) latency: LatencyEstimate,
    pub(super) breaker: Breaker,
    retry_budget: RetryBudget,
    pub(super) selections: Selections<J>,
    /// Whether calls that were rejected over the rate limit are retried.
    retries_rejected: bool,
    pub(super) requests: Requests,
    /// Overdue requests that were not told of yet.
    pub(super) newly_late: Vec<LateRequest>,
    /// When to look again at the calls that wait behind overdue requests.
    pub(super) held_check: Option<Instant>,
    /// Whose operating budget it is, if all tenants share one.
    pub(super) all_tenants: TenantKey,
    pub(super) last_sent: Option<Instant>,
    pub(super) gathering: Gathering,
    /// The rate limits that the portal's tenants name; the lowest counts.
    plans: HashMap<TenantKey, Option<RateLimit>>,
    /// The version of the replicas' reports that was applied.
    pub(super) reports_version: u64,
    pub(super) never_batched: HashMap<&'static str, Instant>,
    pub(super) tenants_without_batches: HashMap<TenantKey, Instant>,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestOutcome {
    /// The portal responded.
    Responded,
    /// The portal rejected it because its bucket is full.
    RateLimited,
    /// It was not sent, for a reason that says nothing of the portal.
    Withdrawn,
    /// It was sent, and the server in front of the portal says that it did not process it. That
    /// says nothing of the portal, which may have counted it all the same.
    Unprocessed,
    /// The portal could not be reached; nothing was sent.
    Unreachable,
    /// It was sent, and no response arrived.
    Lost,
}

impl<J> Portal<J> {
    /// A portal without calls. `open_shared` is set if replicas share its rate limit.
    pub fn new(
        limits: Limits,
        limit: Option<RateLimit>,
        open_shared: Option<OpenShared>,
        now: Instant,
    ) -> Self {
        Self {
            limits,
            queue: Queue::new(),
            budget: Budget::new(limit, open_shared.as_ref(), now),
            open_shared,
            operating: OperatingBudgets::default(),
            latency: LatencyEstimate::default(),
            breaker: Breaker::default(),
            retry_budget: RetryBudget::default(),
            selections: Selections::new(),
            retries_rejected: true,
            requests: Requests::default(),
            newly_late: Vec::new(),
            held_check: None,
            all_tenants: TenantKey::from(""),
            last_sent: None,
            gathering: Gathering::default(),
            plans: HashMap::default(),
            reports_version: 0,
            never_batched: HashMap::default(),
            tenants_without_batches: HashMap::default(),
        }
    }

    /// Sets the rate limit of the portal that a tenant's plan names. The lowest of all counts.
    pub fn set_plan(&mut self, tenant: &TenantKey, plan: Option<RateLimit>, now: Instant) {
        if self.plans.get(tenant) == Some(&plan) {
            return;
        }
        self.plans.insert(tenant.clone(), plan);
        self.apply_plans(now);
    }

    /// Forgets the plan of a tenant that has left the portal. The last one stays until another
    /// tenant names one: without any the portal would count as unlimited.
    pub fn forget_plan(&mut self, tenant: &TenantKey, now: Instant) {
        if self.plans.len() > 1 && self.plans.remove(tenant).is_some() {
            self.apply_plans(now);
        }
    }

    /// Whether the plan of a tenant counts here.
    pub fn counts_plan_of(&self, tenant: &TenantKey) -> bool {
        self.plans.contains_key(tenant)
    }

    fn apply_plans(&mut self, now: Instant) {
        let plans = self.plans.values().flatten().copied();
        let lowest = plans.reduce(RateLimit::lower);
        let shared = self.open_shared.as_ref();
        self.budget.set_limit(lowest, shared, now);
    }

    /// The request of a permit was sent.
    pub fn sent(&mut self, request: RequestNumber, now: Instant) {
        self.budget.sent(now);
        let calls = self.requests.calls(request);
        let expected = self.latency.expected_if_measured(calls);
        self.requests.sent(request, expected, now);
    }

    /// A request has ended, this long after it was sent. [`sent`](Self::sent) was called exactly if
    /// it had been sent. Only the first call for a request counts.
    pub fn completed(
        &mut self,
        request: RequestNumber,
        outcome: RequestOutcome,
        took: Duration,
        now: Instant,
    ) {
        let Some(completed) = self.requests.complete(request) else {
            return;
        };
        let CompletedRequest {
            calls,
            is_batch,
            was_silent,
        } = completed;
        let is_answered = outcome == RequestOutcome::Responded;
        self.complete_operating(&calls, is_batch, is_answered);
        match outcome {
            RequestOutcome::Responded => {
                self.latency.measured(calls.len(), took);
                self.budget.accepted();
                self.breaker.responded(request, now);
                self.retry_budget.earn();
            }
            RequestOutcome::RateLimited => {
                if self.budget.backoff(now).is_zero() {
                    self.retries_rejected = self.retry_budget.spend();
                }
                self.budget.rejected(now);
                self.breaker.responded(request, now);
            }
            RequestOutcome::Withdrawn => {
                self.budget.release(now);
                self.breaker.undecided(now);
            }
            RequestOutcome::Unprocessed => self.breaker.undecided(now),
            RequestOutcome::Unreachable => {
                self.budget.release(now);
                self.breaker.failed(request, now);
            }
            // A request fails once.
            RequestOutcome::Lost if was_silent => {}
            RequestOutcome::Lost => {
                self.breaker.failed(request, now);
            }
        }
    }

    /// The portal asks for a pause: nothing is sent for so long.
    pub fn pause(&mut self, lasts: Duration, now: Instant) {
        self.budget.pause(lasts, now);
    }

    /// How long a call that could not reach the portal waits before its retry; `None` if it is not
    /// retried.
    pub fn retry_wait(&mut self, attempts_before: u32) -> Option<Duration> {
        self.retry_budget.wait(attempts_before)
    }

    /// Releases the calls that wait behind a request, after the calls to be retried have got their
    /// old places back.
    pub fn release(&mut self, request: RequestNumber, retries: Vec<(SchedulingInfo, J)>) {
        let conversations = self.requests.release(request);
        self.queue.complete(&conversations);
        let mut retries = retries;
        retries.sort_by_key(|(info, _)| std::cmp::Reverse(info.number));
        for (info, job) in retries {
            self.queue.put_back(info, job);
        }
    }

    /// When a call that was rejected over the rate limit may go again. `None` if it is not retried:
    /// its deadline is earlier, or the portal rejected too much lately.
    pub fn rejected_retry(&self, deadline: Instant, now: Instant) -> Option<Instant> {
        let moment = now + self.budget.backoff(now);
        (self.retries_rejected && moment < deadline).then_some(moment)
    }

    /// Cancels a call, unless it was [selected](super::Next::Prepare) already.
    pub fn cancel(&mut self, number: CallNumber) -> Option<Waiting<J>> {
        self.queue.cancel(number)
    }

    /// The portal does not accept this method in a batch.
    pub fn note_never_batched(&mut self, method: &'static str, now: Instant) {
        self.never_batched.insert(method, now + REMEMBERED);
    }

    /// The portal does not accept batches of this tenant.
    pub fn note_no_batches(&mut self, tenant: &TenantKey, now: Instant) {
        let until = now + REMEMBERED;
        self.tenants_without_batches.insert(tenant.clone(), until);
    }

    /// How full the bucket is: 0 empty, 1 full; `None` without a limit.
    pub fn fill(&mut self, now: Instant) -> Option<f64> {
        let burst = f64::from(self.budget.part(now)?.burst);
        Some((1.0 - self.budget.room(now) / burst).clamp(0.0, 1.0))
    }

    /// Whether the circuit breaker is open.
    pub fn is_breaker_open(&self) -> bool {
        self.breaker.is_open()
    }

    /// How much longer nothing is sent because the portal rejected a request.
    pub fn backoff(&self, now: Instant) -> Duration {
        self.budget.backoff(now)
    }

    /// Whether nothing useful would be lost by forgetting the portal.
    pub fn is_idle(&mut self, now: Instant) -> bool {
        let is_unused = |sent: Instant| now.saturating_duration_since(sent) > UNUSED;
        self.is_empty()
            && !self.breaker.is_open()
            && self.budget.is_idle(now)
            && self.last_sent.is_none_or(is_unused)
    }

    pub(super) fn batch_size(&self, may_be_batched: bool) -> usize {
        if may_be_batched {
            self.latency.largest_batch(self.limits.batch_calls)
        } else {
            1
        }
    }
}

impl<J> fmt::Debug for Portal<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Portal")
            .field("budget", &self.budget)
            .field("breaker", &self.breaker)
            .finish_non_exhaustive()
    }
}

pub(super) fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
