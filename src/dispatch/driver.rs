//! Drives the state machine of one portal: it does what the state machine decides.

mod actions;
mod notes;

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use smallvec::SmallVec;
use tokio_util::sync::CancellationToken;

use super::blocks::Blocks;
use super::context::DispatchContext;
use super::dispatch_error::DispatchError;
use super::job::{Job, ScheduledJob};
use super::not_admitted::NotAdmitted;
use super::prepared::Prepared;
use crate::tenant::Tenant;
use bitrix24::{Answer, Obstacle, PortalAddress};
use pacing::{
    CallNumber, Forecast, OpenShared, Permit, Portal, PortalView, RateLimit, RequestNumber,
    RequestOutcome, SchedulingInfo, Selection, TenantKey, Waiting,
};

pub(super) struct PortalDriver {
    name: String,
    state: Mutex<State>,
    stages: Stages,
    /// Whether a tenant is blocked, to be read without the lock.
    has_blocks: AtomicBool,
    /// The one of the context. Portals do not share its lock.
    pub(super) stopped: CancellationToken,
    pub(super) context: Arc<DispatchContext>,
}

struct State {
    portal: Portal<Box<Job>>,
    blocks: Blocks,
    /// Why the last request could not connect, until one gets a response.
    obstacle: Option<Obstacle>,
    /// The moment at which a timer will ask again.
    alarm: Option<Instant>,
}

/// How the stages of requests are started.
#[derive(Clone, Copy)]
pub(super) struct Stages {
    /// Prepares calls that need more than [`Prepared::at_once`], gives them to
    /// [`PortalDriver::prepared`], and sends what that returns.
    pub(super) prepare: fn(Arc<PortalDriver>, Selection<Box<Job>>) -> Sending,
    /// Sends a request when it is polled. Gets how full the portal's bucket is, if it has a rate
    /// limit.
    pub(super) send: SendStage,
}

type SendStage = fn(Arc<PortalDriver>, Permit<Box<Job>>, Option<f64>) -> Sending;

/// A request that is being prepared or sent. It must be polled to its end, whatever its callers do.
pub(super) type Sending = Pin<Box<dyn Future<Output = ()> + Send>>;

impl PortalDriver {
    pub(super) fn new(
        address: &PortalAddress,
        context: Arc<DispatchContext>,
        limit: Option<RateLimit>,
        stages: Stages,
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
                    blocks: Blocks::default(),
                    obstacle: None,
                    alarm: None,
                }),
                stages,
                has_blocks: AtomicBool::new(false),
                stopped: context.stopped.child_token(),
                context,
            }
        })
    }

    /// Queues a call; it is sent at once if possible. If it goes alone, its caller sends it itself:
    /// then there is no task that wakes another one.
    pub(super) fn submit(
        self: &Arc<Self>,
        info: SchedulingInfo,
        job: Box<Job>,
        limit: Option<RateLimit>,
        may_be_batched: bool,
    ) -> Result<Option<Sending>, DispatchError> {
        let (mut info, mut job) = (info, job);
        let (number, priority, bytes) = (info.number, info.priority, job.slot.bytes());
        let now = now();
        let mut state = self.lock();
        if let Some(error) = state.blocks.check(job.opened.tenant(), now) {
            return Err(error.into());
        }
        if may_be_batched
            && job.command.is_none()
            && state.portal.may_wait(&info.conversations, now)
        {
            // Outside the lock: a text may be long.
            drop(state);
            job.command = job.parameters.to_command(job.method);
            state = self.lock();
        }
        info.command_bytes = job.command.as_ref().map(|command| command.len());
        state.portal.set_plan(&info.tenant, limit, now);
        if let Err((rejection, job)) = state.portal.submit(info, job, now) {
            drop(state);
            drop(job);
            return Err(NotAdmitted::from(rejection).into());
        }
        let actions = state.decide(now);
        drop(state);
        self.context.metrics.call_queued(priority, bytes);
        Ok(self.act(actions, Some(number)))
    }

    /// Judges a call that is not queued.
    pub(super) fn forecast(
        &self,
        tenant: &Tenant,
        info: &SchedulingInfo,
    ) -> Result<Forecast, DispatchError> {
        let now = now();
        let mut state = self.lock();
        if let Some(error) = state.blocks.check(tenant, now) {
            return Err(error.into());
        }
        let forecast = state.portal.forecast(info, now);
        forecast.map_err(|rejection| NotAdmitted::from(rejection).into())
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
        let actions = self.lock().decide(now());
        self.act(actions, None);
    }

    /// Takes calls back that are prepared now. If it was one, and it goes alone, whoever prepared
    /// it sends it.
    pub(super) fn prepared(self: &Arc<Self>, prepared: Prepared) -> Option<Sending> {
        let selection = prepared.into_selection();
        let only = selection.only();
        let actions = {
            let mut state = self.lock();
            state.portal.prepared(selection);
            state.decide(now())
        };
        self.act(actions, only)
    }

    /// A call leaves the queue.
    pub(super) fn dequeued(&self, call: Waiting<Box<Job>>) -> ScheduledJob {
        let Waiting { info, job, .. } = call;
        let bytes = job.slot.bytes();
        self.context.metrics.call_dequeued(info.priority, bytes);
        (info, job)
    }

    /// A call leaves the queue and is not sent.
    pub(super) fn reject(&self, call: Waiting<Box<Job>>, why: NotAdmitted) {
        let (_, job) = self.dequeued(call);
        if !job.is_cancelled() {
            self.context.count(&why);
        }
        job.not_sent(why);
    }

    /// A call of a request with a permit is not sent.
    pub(super) fn left_out(&self, request: RequestNumber, info: &SchedulingInfo) {
        let call = [(info.tenant.clone(), info.method)];
        self.lock().portal.left_out(request, &call);
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

    /// Cancels a call. `None` if it was taken for a request, or has ended.
    pub(super) fn cancel(self: &Arc<Self>, number: CallNumber) -> Option<Box<Job>> {
        let cancelled = self.lock().portal.cancel(number);
        let (_, job) = self.dequeued(cancelled?);
        // The calls behind it may go.
        self.pump();
        Some(job)
    }

    /// A request with a permit was sent.
    pub(super) fn sent(&self, request: RequestNumber) {
        self.lock().portal.sent(request, now());
    }

    /// A request has ended, and its response may ask for a pause. The portal is not asked for the
    /// next one yet: first it is to know what the response says of operating time and blocks.
    pub(super) fn completed(
        &self,
        request: RequestNumber,
        outcome: RequestOutcome,
        took: Duration,
        pause: Option<Duration>,
    ) {
        let now = now();
        let (was_open, is_open, was_backing_off, backoff) = {
            let mut state = self.lock();
            let was_open = state.portal.is_breaker_open();
            let was_backing_off = !state.portal.backoff(now).is_zero();
            state.portal.completed(request, outcome, took, now);
            if let Some(pause) = pause {
                state.portal.pause(pause, now);
            }
            if outcome == RequestOutcome::Responded {
                state.obstacle = None;
            }
            let backoff = state.portal.backoff(now);
            let is_open = state.portal.is_breaker_open();
            (was_open, is_open, was_backing_off, backoff)
        };
        self.note_breaker(was_open, is_open);
        if !was_backing_off && !backoff.is_zero() {
            self.note_backoff(outcome, backoff);
        }
    }

    /// A request has ended, and each of its calls has an answer. In one step what it occupies is
    /// free, the portal knows what the answers say, and is asked for the next one.
    pub(super) fn answered(
        self: &Arc<Self>,
        request: RequestNumber,
        took: Duration,
        is_batch: bool,
        calls: &[(ScheduledJob, Answer)],
    ) {
        let now = now();
        let mut remaining = SmallVec::<[_; 1]>::new();
        let mut state = self.lock();
        let was_open = state.portal.is_breaker_open();
        let responded = RequestOutcome::Responded;
        state.portal.completed(request, responded, took, now);
        state.obstacle = None;
        for ((info, job), answer) in calls {
            remaining.extend(state.note_operating_time(
                &info.tenant,
                job.method,
                is_batch,
                answer,
                now,
            ));
        }
        state.portal.release(request, Vec::new());
        let is_open = state.portal.is_breaker_open();
        let actions = state.decide(now);
        drop(state);
        self.note_breaker(was_open, is_open);
        for (method, remaining) in remaining {
            self.context.metrics.operating_reported(method, remaining);
        }
        self.act(actions, None);
    }

    /// Releases the calls that wait behind a request, after the calls to be retried have
    /// got their places back: those whose callers still wait.
    pub(super) fn release(self: &Arc<Self>, request: RequestNumber, retries: Vec<ScheduledJob>) {
        let mut state = self.lock();
        // Under the lock: a caller that cancels from now on finds the call in the queue.
        let (cancelled, retries): (Vec<_>, Vec<_>) =
            retries.into_iter().partition(|(_, job)| job.is_cancelled());
        for (info, job) in &retries {
            let bytes = job.slot.bytes();
            self.context.metrics.call_queued(info.priority, bytes);
        }
        state.portal.release(request, retries);
        let actions = state.decide(now());
        drop(state);
        drop(cancelled);
        self.act(actions, None);
    }

    /// The name of its host, with a port if it has an unusual one.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What it is about now.
    pub(super) fn view(&self) -> PortalView {
        self.lock().portal.view(now())
    }

    /// Gives back memory, if nobody has called it for a while.
    pub(super) fn rest(&self) {
        self.lock().portal.rest(now());
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
