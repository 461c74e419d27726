//! Drives the state machine of one portal: it does what the state machine decides.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::context::DispatchContext;
use super::job::{Job, ScheduledJob};
use super::not_admitted::NotAdmitted;
use bitrix24::{Answer, Method, PortalAddress};
use pacing::{
    CallNumber, LateRequest, Next, OpenShared, OperatingTime, Permit, Portal, RateLimit,
    RequestNumber, RequestOutcome, SchedulingInfo, SentAs, TenantKey, Waiting,
};

pub(super) struct PortalDriver {
    name: String,
    state: Mutex<State>,
    start: StartRequest,
    pub(super) context: Arc<DispatchContext>,
}

struct State {
    portal: Portal<Job>,
    /// The moment at which a timer will ask again.
    alarm: Option<Instant>,
}

/// Starts a request. Gets how full the portal's bucket is, if it has a rate limit.
pub(super) type StartRequest = fn(Arc<PortalDriver>, Permit<Job>, Option<f64>);

impl PortalDriver {
    pub(super) fn new(
        address: &PortalAddress,
        context: Arc<DispatchContext>,
        limit: Option<RateLimit>,
        start: StartRequest,
    ) -> Arc<Self> {
        let name = address.authority();
        Arc::new_cyclic(|driver: &Weak<Self>| {
            let open_shared = context.sharing.clone().map(|sharing| {
                let (name, driver) = (name.to_owned(), Weak::clone(driver));
                let open = move |limit: RateLimit| {
                    let driver = Weak::clone(&driver);
                    let wake = move || {
                        if let Some(driver) = driver.upgrade() {
                            driver.pump();
                        }
                    };
                    sharing.bucket(&name, limit, wake)
                };
                let open: OpenShared = Box::new(open);
                open
            });
            let limits = context.options.limits(address);
            let portal = Portal::new(limits, limit, open_shared, now());
            Self {
                name: name.to_owned(),
                state: Mutex::new(State {
                    portal,
                    alarm: None,
                }),
                start,
                context,
            }
        })
    }

    /// Queues a call; it is sent at once if possible.
    pub(super) fn submit(
        self: &Arc<Self>,
        info: SchedulingInfo,
        job: Job,
        limit: Option<RateLimit>,
        may_be_batched: bool,
    ) -> Result<(), NotAdmitted> {
        let (mut info, mut job) = (info, job);
        let now = now();
        let prepares = may_be_batched && job.command.is_none() && {
            let state = self.lock();
            state.portal.may_wait(&info.conversations, now)
        };
        if prepares {
            // Outside the lock: a text may be long.
            job.command = job.parameters.to_command(job.method);
        }
        info.command_bytes = job.command.as_ref().map(|command| command.len());
        let (priority, bytes) = (info.priority, job.slot.bytes());
        let submitted = {
            let mut state = self.lock();
            state.portal.set_plan(&info.tenant, limit, now);
            state.portal.submit(info, job, now)
        };
        match submitted {
            Ok(()) => {
                self.context.metrics.call_queued(priority, bytes);
                self.pump();
                Ok(())
            }
            Err((rejection, _job)) => Err(rejection.into()),
        }
    }

    /// Whether the plan of a tenant counts here.
    pub(super) fn counts_plan_of(&self, tenant: &TenantKey) -> bool {
        self.lock().portal.counts_plan_of(tenant)
    }

    /// A tenant whose plan counts here has another one.
    pub(super) fn set_plan(self: &Arc<Self>, tenant: &TenantKey, limit: Option<RateLimit>) {
        self.lock().portal.set_plan(tenant, limit, now());
        self.pump();
    }

    /// A tenant whose plan counts here has left the portal.
    pub(super) fn forget_plan(self: &Arc<Self>, tenant: &TenantKey) {
        self.lock().portal.forget_plan(tenant, now());
        self.pump();
    }

    /// Does what can be done now. To be called whenever something has changed.
    pub(super) fn pump(self: &Arc<Self>) {
        let now = now();
        let (mut permits, mut rejected, mut alarm) = (Vec::new(), Vec::new(), None);
        let (late, was_open, is_open);
        {
            let mut state = self.lock();
            was_open = state.portal.is_breaker_open();
            let next = loop {
                match state.portal.next(now) {
                    Next::Prepare(selection) => state.portal.prepared(selection),
                    Next::Send(permit) => {
                        let fill = state.portal.fill(now);
                        permits.push((permit, fill));
                    }
                    Next::Reject(calls, why) => rejected.push((calls, why)),
                    Next::At(moment) => break Some(moment),
                    Next::Nothing => break None,
                }
            };
            let moments = [next, state.portal.next_check()].into_iter().flatten();
            if let Some(moment) = moments.min()
                && state.alarm.is_none_or(|alarm| moment < alarm)
            {
                state.alarm = Some(moment);
                alarm = Some(moment);
            }
            state.portal.want(now);
            late = state.portal.take_late();
            is_open = state.portal.is_breaker_open();
        }
        self.note_breaker(was_open, is_open);
        for request in late {
            self.note_late(request);
        }
        for (permit, fill) in permits {
            (self.start)(Arc::clone(self), permit, fill);
        }
        for (calls, why) in rejected {
            for call in calls {
                self.reject(call, why.into());
            }
        }
        if let Some(moment) = alarm {
            self.pump_at(moment);
        }
    }

    fn reject(&self, call: Waiting<Job>, why: NotAdmitted) {
        let Waiting { info, job, .. } = call;
        let bytes = job.slot.bytes();
        self.context.metrics.call_dequeued(info.priority, bytes);
        self.context.count(&why);
        job.not_sent(why);
    }

    fn pump_at(self: &Arc<Self>, moment: Instant) {
        let driver = Arc::clone(self);
        // A shutdown does not wait for this task: by then no call waits any more.
        tokio::spawn(async move {
            tokio::time::sleep_until(moment.into()).await;
            {
                let mut state = driver.lock();
                if state.alarm == Some(moment) {
                    state.alarm = None;
                }
            }
            driver.pump();
        });
    }

    /// Cancels a call. `None` if its request has started or ended.
    pub(super) fn cancel(self: &Arc<Self>, number: CallNumber) -> Option<Job> {
        let cancelled = self.lock().portal.cancel(number);
        let Waiting { info, job, .. } = cancelled?;
        let bytes = job.slot.bytes();
        self.context.metrics.call_dequeued(info.priority, bytes);
        // The calls behind it may go.
        self.pump();
        Some(job)
    }

    /// A request with a permit was sent.
    pub(super) fn sent(&self, request: RequestNumber) {
        self.lock().portal.sent(request, now());
    }

    /// A request has ended.
    pub(super) fn completed(
        &self,
        request: RequestNumber,
        outcome: RequestOutcome,
        took: Duration,
    ) {
        let now = now();
        let (was_open, is_open, was_backing_off, backoff) = {
            let mut state = self.lock();
            let was_open = state.portal.is_breaker_open();
            let was_backing_off = !state.portal.backoff(now).is_zero();
            state.portal.completed(request, outcome, took, now);
            let backoff = state.portal.backoff(now);
            let is_open = state.portal.is_breaker_open();
            (was_open, is_open, was_backing_off, backoff)
        };
        self.note_breaker(was_open, is_open);
        if !was_backing_off && !backoff.is_zero() {
            tracing::warn!(
                portal = self.name,
                backoff_seconds = backoff.as_secs_f64(),
                "portal rejects requests over its rate limit although the configured plan allows \
                 them; backing off"
            );
        }
    }

    /// A request is without a response for longer than expected, and holds its conversations.
    fn note_late(&self, request: LateRequest) {
        self.context.metrics.request_silent();
        tracing::warn!(
            portal = self.name,
            conversations = request.conversations,
            held_seconds = request.held_for.as_secs_f64(),
            "portal does not respond to a request; its conversations are held"
        );
    }

    fn note_breaker(&self, was_open: bool, is_open: bool) {
        if !was_open && is_open {
            self.context.metrics.breaker_opened();
            tracing::warn!(
                portal = self.name,
                "portal does not respond; its circuit breaker is open and its calls are rejected"
            );
        } else if was_open && !is_open {
            self.context.metrics.breaker_closed();
            tracing::info!(
                portal = self.name,
                "portal responds again; its circuit breaker is closed"
            );
        }
    }

    /// Releases the calls that wait behind a request, after the calls to be retried have
    /// got their places back: those whose callers still wait.
    pub(super) fn release(self: &Arc<Self>, request: RequestNumber, retries: Vec<ScheduledJob>) {
        {
            let mut state = self.lock();
            // Under the lock: a caller that cancels from now on finds the call in the queue.
            let (cancelled, retries): (Vec<_>, Vec<_>) =
                retries.into_iter().partition(|(_, job)| job.is_cancelled());
            for (info, job) in &retries {
                let bytes = job.slot.bytes();
                self.context.metrics.call_queued(info.priority, bytes);
            }
            state.portal.release(request, retries);
            drop(state);
            drop(cancelled);
        }
        self.pump();
    }

    /// When a call that was rejected over the rate limit may go again, if it is retried.
    pub(super) fn rejected_retry(&self, deadline: Instant) -> Option<Instant> {
        self.lock().portal.rejected_retry(deadline, now())
    }

    /// How much longer nothing is sent because the portal rejected a request.
    pub(super) fn backoff(&self) -> Duration {
        self.lock().portal.backoff(now())
    }

    /// How long a call that could not reach the portal waits before its retry; `None` if it is not
    /// retried.
    pub(super) fn retry_wait(&self, attempts_before: u32) -> Option<Duration> {
        self.lock().portal.retry_wait(attempts_before)
    }

    /// Applies what a response says of the operating budget.
    pub(super) fn note_operating_time(
        &self,
        tenant: &TenantKey,
        method: Method,
        sent_as: SentAs,
        answer: &Answer,
    ) {
        let time = &answer.time;
        let reset = time.operating_reset_at.zip(time.finish);
        let resets_in = reset.map(|(reset, finish)| reset - finish);
        let Some(time) = OperatingTime::of(time.operating, resets_in, time.duration) else {
            return;
        };
        let name = method.name();
        let remaining = self
            .lock()
            .portal
            .note_operating_time(tenant, name, sent_as, time, now());
        if let Some(remaining) = remaining {
            self.context.metrics.operating_reported(name, remaining);
        }
    }

    /// The portal rejected a method, or `batch`, because its operating budget is used up. Returns
    /// how long that lasts.
    pub(super) fn operating_rejected(&self, tenant: &TenantKey, method: &'static str) -> Duration {
        let mut state = self.lock();
        state.portal.operating_rejected(tenant, method, now())
    }

    pub(super) fn note_never_batched(&self, method: Method) {
        let method = method.name();
        tracing::info!(
            portal = self.name,
            method,
            "portal does not accept the method in a batch"
        );
        self.lock().portal.note_never_batched(method, now());
    }

    pub(super) fn note_no_batches(&self, tenant: &TenantKey) {
        tracing::info!(
            portal = self.name,
            %tenant,
            "portal does not accept batches of the tenant"
        );
        self.lock().portal.note_no_batches(tenant, now());
    }

    /// Whether nothing useful would be lost by forgetting the portal.
    pub(super) fn is_idle(&self) -> bool {
        self.lock().portal.is_idle(now())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for PortalDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PortalDriver")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// The time by tokio's clock, which tests pause.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
