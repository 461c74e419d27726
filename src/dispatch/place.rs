//! One portal with its waiting calls, at work: what its state decides is done here.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::budget::Share;
use super::flight;
use super::job::Job;
use super::not_admitted::NotAdmitted;
use super::operating::{Report, Travelled};
use super::permit::Permit;
use super::portal::{Fate, Next, Portal};
use super::queue::{CallNumber, Terms, Waiting};
use super::shared::Shared;
use crate::call::Conversation;
use crate::metrics::Refused;
use bitrix24::{Answer, Method};
use bitrix24::{Intensity, TenantId};

/// A portal at work.
pub(super) struct Place {
    name: String,
    situation: Mutex<Situation>,
    pub(super) shared: Arc<Shared>,
}

struct Situation {
    portal: Portal<Job>,
    /// The moment at which a timer will ask again.
    alarm: Option<Instant>,
}

impl Place {
    pub(super) fn new(
        name: &str,
        shared: Arc<Shared>,
        intensity: Option<Intensity>,
        now: Instant,
    ) -> Arc<Self> {
        Arc::new_cyclic(|place: &Weak<Self>| {
            let mut portal = Portal::new(Arc::clone(&shared.options), intensity, now);
            if let Some(sharing) = shared.sharing.clone() {
                let place = Weak::clone(place);
                let wake = move || {
                    if let Some(place) = place.upgrade() {
                        place.pump();
                    }
                };
                let share = Share {
                    sharing,
                    portal: name.to_owned(),
                    wake: Arc::new(wake),
                };
                portal = portal.sharing(share, now);
            }
            Self {
                name: name.to_owned(),
                situation: Mutex::new(Situation {
                    portal,
                    alarm: None,
                }),
                shared,
            }
        })
    }

    /// Lets a call in; it goes at once if it can.
    pub(super) fn submit(
        self: &Arc<Self>,
        terms: Terms,
        job: Job,
        plan: Option<Intensity>,
        may_be_batched: bool,
    ) -> Result<(), NotAdmitted> {
        let (mut terms, mut job) = (terms, job);
        let now = Instant::now();
        let prepares = may_be_batched && job.command.is_none() && {
            let situation = self.lock();
            situation.portal.may_wait(&terms.conversations, now)
        };
        if prepares {
            // Outside the lock: a text may be long.
            job.command = job.parameters.to_command(terms.method);
        }
        terms.command_bytes = job.command.as_ref().map(|command| command.len());
        let (priority, bytes) = (terms.priority, job.seat.bytes());
        let submitted = {
            let mut situation = self.lock();
            situation.portal.note_plan(&terms.tenant, plan, now);
            situation.portal.submit(terms, job, now)
        };
        match submitted {
            Ok(()) => {
                self.shared.metrics.wait_begun(priority, bytes);
                self.pump();
                Ok(())
            }
            Err((refused, _job)) => Err(refused),
        }
    }

    /// Does what can be done now. To be called whenever something has changed.
    pub(super) fn pump(self: &Arc<Self>) {
        let now = Instant::now();
        let (mut permits, mut refused, mut wake) = (Vec::new(), Vec::new(), None);
        {
            let mut situation = self.lock();
            loop {
                match situation.portal.next(now) {
                    Next::Send(permit) => {
                        let fill = situation.portal.fill(now);
                        permits.push((permit, fill));
                    }
                    Next::Refuse(calls, why) => refused.push((calls, why)),
                    Next::At(moment) => {
                        if situation.alarm.is_none_or(|alarm| moment < alarm) {
                            situation.alarm = Some(moment);
                            wake = Some(moment);
                        }
                        break;
                    }
                    Next::Nothing => break,
                }
            }
            situation.portal.want(now);
        }
        for (permit, fill) in permits {
            self.let_go(permit, fill);
        }
        for (calls, why) in refused {
            for call in calls {
                self.refuse(call, &why);
            }
        }
        if let Some(moment) = wake {
            self.wake_at(moment);
        }
    }

    fn let_go(self: &Arc<Self>, permit: Permit<Job>, fill: Option<f64>) {
        let flight = flight::fly(Arc::clone(self), permit, fill);
        self.shared.tasks.spawn(flight);
    }

    fn refuse(&self, call: Waiting<Job>, why: &NotAdmitted) {
        let Waiting { terms, job, .. } = call;
        let metrics = &self.shared.metrics;
        metrics.wait_ended(terms.priority, job.seat.bytes());
        count_refusal(&self.shared, why);
        job.not_sent(why.clone());
    }

    fn wake_at(self: &Arc<Self>, moment: Instant) {
        let place = Arc::clone(self);
        // Not one of the tasks that a stop waits for: what waits is answered by then.
        tokio::spawn(async move {
            tokio::time::sleep_until(moment).await;
            {
                let mut situation = place.lock();
                if situation.alarm == Some(moment) {
                    situation.alarm = None;
                }
            }
            place.pump();
        });
    }

    /// Takes a call out that nobody waits for any more. `None` if it is on its way, or has ended.
    pub(super) fn cancel(self: &Arc<Self>, number: CallNumber) -> Option<Job> {
        let cancelled = self.lock().portal.cancel(number);
        if let Some(waiting) = cancelled {
            let Waiting { terms, job, .. } = waiting;
            let bytes = job.seat.bytes();
            self.shared.metrics.wait_ended(terms.priority, bytes);
            // Those behind it may go.
            self.pump();
            return Some(job);
        }
        None
    }

    /// A request that was let go has left.
    pub(super) fn departed(&self) {
        self.lock().portal.departed(Instant::now());
    }

    /// A request has ended.
    pub(super) fn landed(&self, calls: &[(TenantId, Method)], fate: Fate, took: Duration) {
        let now = Instant::now();
        let (was_down, is_down, was_pausing, pause) = {
            let mut situation = self.lock();
            let was_down = situation.portal.is_down();
            let was_pausing = !situation.portal.pause(now).is_zero();
            situation.portal.landed(calls, fate, took, now);
            let pause = situation.portal.pause(now);
            (was_down, situation.portal.is_down(), was_pausing, pause)
        };
        self.tell_breaker(was_down, is_down);
        if !was_pausing && !pause.is_zero() {
            tracing::warn!(
                portal = self.name,
                pause_seconds = pause.as_secs_f64(),
                "the portal refuses for its limit although the service keeps to the plan; nothing is sent for a while"
            );
        }
    }

    /// A request is overdue: those who wait for it have gone.
    pub(super) fn overdue(self: &Arc<Self>) {
        let (was_down, is_down) = {
            let mut situation = self.lock();
            let was_down = situation.portal.is_down();
            situation.portal.overdue(Instant::now());
            (was_down, situation.portal.is_down())
        };
        self.tell_breaker(was_down, is_down);
        self.pump();
    }

    fn tell_breaker(&self, was_down: bool, is_down: bool) {
        if !was_down && is_down {
            self.shared.metrics.breaker_opened();
            tracing::warn!(
                portal = self.name,
                "the portal does not answer; its calls are refused for a while"
            );
        } else if was_down && !is_down {
            self.shared.metrics.breaker_closed();
            tracing::info!(portal = self.name, "the portal answers again");
        }
    }

    /// Lets those go that wait behind these conversations, once these calls have got their places back: those that somebody still
    /// waits for.
    pub(super) fn settle(
        self: &Arc<Self>,
        conversations: &[Conversation],
        again: Vec<(Terms, Job)>,
    ) {
        {
            let mut situation = self.lock();
            // Under the lock: who leaves from now on finds the call here and takes it out.
            let (deserted, again): (Vec<_>, Vec<_>) =
                again.into_iter().partition(|(_, job)| job.is_abandoned());
            for (terms, job) in &again {
                let bytes = job.seat.bytes();
                self.shared.metrics.wait_begun(terms.priority, bytes);
            }
            situation.portal.settle(conversations, again);
            drop(situation);
            drop(deserted);
        }
        self.pump();
    }

    /// How much longer nothing is sent because the portal has refused.
    pub(super) fn pause(&self) -> Duration {
        self.lock().portal.pause(Instant::now())
    }

    /// How long a call that could not reach the portal waits before it is tried again; `None` if it is not.
    pub(super) fn repeat_after(&self, attempts_before: u32) -> Option<Duration> {
        self.lock().portal.repeat_after(attempts_before)
    }

    /// Takes over what an answer says of the operating budget.
    pub(super) fn report(
        &self,
        tenant: &TenantId,
        method: Method,
        travelled: Travelled,
        answer: &Answer,
    ) {
        let Some(report) = Report::of(&answer.time) else {
            return;
        };
        let now = Instant::now();
        let remaining = self
            .lock()
            .portal
            .report(tenant, method, travelled, report, now);
        if let Some(remaining) = remaining {
            self.shared
                .metrics
                .operating_reported(method.name(), remaining);
        }
    }

    /// The portal has refused a method, or `batch`, because its operating budget is used up. Gives how long that lasts.
    pub(super) fn operating_refused(&self, tenant: &TenantId, method: &'static str) -> Duration {
        let now = Instant::now();
        self.lock().portal.operating_refused(tenant, method, now)
    }

    pub(super) fn note_never_batched(&self, method: Method) {
        tracing::info!(
            portal = self.name,
            method = method.name(),
            "the portal does not take the method in a batch"
        );
        self.lock()
            .portal
            .note_never_batched(method, Instant::now());
    }

    pub(super) fn note_no_batches(&self, tenant: &TenantId) {
        tracing::info!(portal = self.name, %tenant, "the portal does not take batches of the tenant");
        self.lock().portal.note_no_batches(tenant, Instant::now());
    }

    /// Whether nothing of worth would be lost by forgetting the portal.
    pub(super) fn is_idle(&self, now: Instant) -> bool {
        self.lock().portal.is_idle(now)
    }

    fn lock(&self) -> MutexGuard<'_, Situation> {
        self.situation
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a call that is refused, by the reason.
pub(super) fn count_refusal(shared: &Shared, why: &NotAdmitted) {
    let refused = match why {
        NotAdmitted::DeadlinePassed => Refused::DeadlineBeforeSend,
        NotAdmitted::QueueFull { .. } => Refused::QueueFull,
        NotAdmitted::WaitTooLong { .. } => Refused::WaitExceedsDeadline,
        NotAdmitted::OperatingLimit { .. } => Refused::OperatingLimit,
        NotAdmitted::PortalDown { .. } => Refused::PortalNotAnswering,
        NotAdmitted::Access(_) | NotAdmitted::Ledger(_) => return,
    };
    shared.metrics.call_refused(refused);
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
