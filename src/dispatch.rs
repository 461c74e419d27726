//! Sends calls: the I/O around [`pacing`].
//!
//! A valid [`Call`] is queued at its portal until the portal's limits, its conversation and the
//! calls before it allow a request, on its own or as a batch with others. Sending requires a
//! permit. Only the portal's state machine ([`pacing::Portal`]) issues one, and a request in flight
//! (`request.rs`) consumes it. A call is retried only if it was definitely not executed; the
//! [ledger] keeps that promise across the attempts of its caller.

mod announced;
mod blocks;
mod call_handle;
mod cargo;
mod context;
mod delivery;
mod dispatch_error;
mod driver;
mod drivers;
mod entering;
mod estimate;
mod job;
pub(crate) mod ledger;
mod means;
mod not_admitted;
mod overview;
mod prepared;
pub(crate) mod replica;
mod request;
mod response;
#[cfg(test)]
mod script;
mod send_error;
mod sender;
mod sent_flag;
mod settings;
mod shards;
pub(crate) mod sharing;
mod spent;
#[cfg(test)]
mod tests;
mod trail;
mod weekly_guard;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Span;

pub(crate) use self::announced::Announced;
use self::announced::Announcements;
use self::call_handle::CallHandle;
use self::context::DispatchContext;
pub(crate) use self::delivery::Delivery;
pub(crate) use self::dispatch_error::DispatchError;
use self::drivers::Drivers;
pub(crate) use self::estimate::Estimate;
pub(crate) use self::job::Delivered;
use self::job::{CallOutcome, Job, Tries};
pub(crate) use self::ledger::Known;
use self::ledger::{Claim, Fingerprint, Key};
pub use self::means::Means;
pub(crate) use self::not_admitted::{LedgerFailure, NotAdmitted};
pub(crate) use self::send_error::SendError;
use self::sender::Sender;
use self::sent_flag::SentFlag;
pub(crate) use self::settings::LedgerSettings;
pub use self::settings::Options;
pub(crate) use self::spent::Spent;
pub(crate) use self::trail::{AuditedCall, Trail};
use self::weekly_guard::WeeklyGuard;
pub(crate) use self::weekly_guard::WeeklyLimit;
use crate::auth::Grant;
use crate::call::Arrival;
use crate::check::{Call, CallParts};
use bitrix24::{Outcome, Plan, PortalAddress, TenantId};
use pacing::{
    CallNumber, Conversations, Exhausted, QueueCapacity, RateLimit, Rejection, SchedulingInfo,
    TenantKey,
};

/// Sends calls. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Dispatcher {
    drivers: Arc<Drivers>,
    context: Arc<DispatchContext>,
    announcements: Arc<Announcements>,
    /// Makes the numbers of calls unique.
    numbers: Arc<AtomicU64>,
}

/// When to retry if the process-wide queue is full.
const WHEN_FULL: Duration = Duration::from_secs(1);

/// How an attempt to send a call ended.
enum Attempt {
    Ended(Box<Result<Delivered, DispatchError>>, Spent),
    /// Another replica runs it, for the same idempotency key.
    Overtaken(Spent),
}

impl Dispatcher {
    /// Makes a dispatcher whose queues a caller alone may fill to `share` percent. Requests in
    /// flight are tasks of `tasks`; once `stopped` is cancelled, only those with a call in the
    /// ledger go on.
    pub fn new(
        means: Means,
        options: Options,
        share: u8,
        tasks: &TaskTracker,
        stopped: CancellationToken,
    ) -> Self {
        let Means {
            client,
            access,
            ledger,
            sharing,
            metrics,
        } = means;
        let (calls, bytes) = (options.maximum_waiting_calls, options.maximum_waiting_bytes);
        let weekly_guard = options.weekly_guard.map(|reading| {
            let store = ledger.store().clone();
            WeeklyGuard::start(store, reading, tasks, stopped.clone())
        });
        let context = Arc::new(DispatchContext {
            sender: Sender::Http(client),
            access,
            ledger,
            sharing,
            weekly_guard,
            capacity: Arc::new(QueueCapacity::new(calls, bytes, share)),
            options,
            metrics,
            tasks: tasks.clone(),
            stopped,
        });
        let dispatcher = Self::of(context);
        let looked_after = Drivers::look_after(Arc::downgrade(&dispatcher.drivers));
        let stopped = dispatcher.context.stopped.clone();
        tasks.spawn(stopped.run_until_cancelled_owned(looked_after));
        dispatcher
    }

    fn of(context: Arc<DispatchContext>) -> Self {
        Self {
            drivers: Arc::new(Drivers::new(Arc::clone(&context))),
            context,
            announcements: Arc::default(),
            numbers: Arc::default(),
        }
    }

    /// The operator's choices.
    pub fn options(&self) -> &Options {
        &self.context.options
    }

    /// Whether it has to know the recipients of network messages.
    pub(crate) fn guards_weeks(&self) -> bool {
        self.context.weekly_guard.is_some()
    }

    /// Whether a portal goes by the plan of this tenant.
    pub(crate) fn counts_plan_of(&self, tenant: &TenantId) -> bool {
        let tenant = TenantKey::from(tenant.as_str());
        !self.drivers.with_plan_of(&tenant).is_empty()
    }

    /// A tenant has changed: its calls go to this portal by this plan, or nowhere. Portals that
    /// went by another plan of it do so no longer.
    pub(crate) fn note_plan(&self, tenant: &TenantId, current: Option<(&PortalAddress, Plan)>) {
        let tenant = TenantKey::from(tenant.as_str());
        for (name, driver) in self.drivers.with_plan_of(&tenant) {
            match current {
                Some((portal, plan)) if *portal.authority() == *name => {
                    driver.set_plan(&tenant, plan.rate_limit().map(rate_limit));
                }
                Some(_) | None => driver.forget_plan(&tenant),
            }
        }
    }

    /// Announces a call that is about to be sent to these conversations, each named once; none: it
    /// waits for no other call. Calls to them that are announced later, or arrived later on the
    /// same connection, are not sent before it.
    pub(crate) fn announce(
        &self,
        grant: &Grant,
        conversations: Conversations,
        arrival: Option<Arrival>,
    ) -> Announced {
        let number = self.number(arrival.as_ref());
        let tenant = grant.tenant().clone();
        self.announcements
            .announce(number, tenant, conversations, arrival)
    }

    /// Sends a call when it is its turn, and says where the time went. Dropping the future cancels
    /// a call that was not sent; a call that was sent goes on, and the ledger records its outcome.
    ///
    /// # Errors
    ///
    /// [`DispatchError`], which knows whether the call was executed.
    pub(crate) async fn send(
        &self,
        call: Call,
        announced: Announced,
        delivery: Delivery,
    ) -> (Result<Delivered, DispatchError>, Spent) {
        let parts = call.into_parts();
        let Some(idempotency_key) = parts.idempotency_key else {
            return match self.send_once(parts, &announced, &delivery, None).await {
                Attempt::Ended(outcome, spent) => (*outcome, spent),
                // Impossible without a key.
                Attempt::Overtaken(spent) => {
                    let outcome = Outcome::Unknown;
                    (Err(SendError::Crashed { outcome }.into()), spent)
                }
            };
        };
        let key = Key {
            tenant: parts.tenant.id().clone(),
            idempotency_key,
            fingerprint: Fingerprint::of(parts.method, &parts.parameters),
        };
        loop {
            // The earlier attempt keeps the place in the order.
            let on_wait = || announced.leave();
            let claim = match self.enter(&key, delivery.context.deadline(), on_wait).await {
                Ok(Ok(claim)) => claim,
                Ok(Err(replayed)) => {
                    delivery.replayed(Some(&replayed.answer));
                    return (Ok(replayed), Spent::default());
                }
                Err(refused) => {
                    if refused == LedgerFailure::Unknown {
                        delivery.replayed(None);
                    }
                    return (Err(NotAdmitted::from(refused).into()), Spent::default());
                }
            };
            let sent = self.send_once(parts.clone(), &announced, &delivery, Some(claim));
            if let Attempt::Ended(outcome, spent) = sent.await {
                return (*outcome, spent);
            }
        }
    }

    async fn send_once(
        &self,
        parts: CallParts,
        announced: &Announced,
        delivery: &Delivery,
        claim: Option<Claim>,
    ) -> Attempt {
        let CallParts {
            tenant,
            method,
            parameters,
            priority,
            may_be_batched,
            idempotency_key: _,
            recipient,
        } = parts;
        let deadline = delivery.context.deadline();
        if Instant::now() >= deadline {
            return self.not_sent(Rejection::DeadlinePassed.into());
        }
        let watched = match recipient {
            Some(recipient) => match self.watch(&tenant, &recipient, deadline).await {
                Ok(watched) => watched,
                Err(limit) => return self.not_sent(limit.into()),
            },
            None => None,
        };
        let opened = match self.context.access.open(tenant, deadline).await {
            Ok(opened) => opened,
            Err(error) => return self.not_sent(error.into()),
        };
        let size = parameters.as_json().len();
        let slot = match self.context.capacity.slot(delivery.context.queued(), size) {
            Ok(slot) => slot,
            Err(exhausted) => {
                return self.not_sent(full(exhausted).into());
            }
        };
        let number = announced.number();
        let sent_flag = SentFlag::new(delivery.clone());
        let (outcome, mut received) = oneshot::channel();
        let mut job = Box::new(Job {
            opened,
            method,
            parameters,
            command: None,
            claim,
            watched,
            tries: Tries::default(),
            spent: Spent::default(),
            slot,
            sent_flag: sent_flag.clone(),
            outcome,
            span: Span::current(),
        });
        if let Err(late) = announced.turn(deadline).await {
            return self.not_sent(late.into());
        }
        loop {
            let tenant = job.opened.tenant();
            let limit = tenant.plan().rate_limit().map(rate_limit);
            let driver = self.drivers.of(job.opened.portal(), limit);
            let info = SchedulingInfo {
                number,
                tenant: TenantKey::from(tenant.id().as_str()),
                method: method.name(),
                conversations: announced.conversations().clone(),
                priority,
                deadline: deadline.into_std(),
                arrived: Instant::now().into_std(),
                not_before: None,
                command_bytes: None,
                is_recorded: job.claim.is_some(),
            };
            let sending = match driver.submit(info, job, limit, may_be_batched) {
                Ok(sending) => sending,
                Err(error) => return self.rejected(error, sent_flag.spent()),
            };
            announced.leave();
            let flag = sent_flag.clone();
            let handle = CallHandle::new(driver, number, received, flag, sending);
            match handle.outcome(deadline).await {
                CallOutcome::Sent(result, spent) => {
                    let result = result.map_err(DispatchError::from);
                    return Attempt::Ended(Box::new(result), spent);
                }
                CallOutcome::NotSent(why, spent) => {
                    return Attempt::Ended(Box::new(Err(why.into())), spent);
                }
                CallOutcome::Overtaken(spent) => return Attempt::Overtaken(spent),
                CallOutcome::Moved(moved) => {
                    job = moved;
                    (job.outcome, received) = oneshot::channel();
                }
            }
        }
    }

    fn number(&self, arrival: Option<&Arrival>) -> CallNumber {
        let arrival = arrival.map_or(0, Arrival::number);
        let own = self.numbers.fetch_add(1, Ordering::Relaxed);
        (CallNumber::from(arrival) << 64) | CallNumber::from(own)
    }

    fn not_sent(&self, why: NotAdmitted) -> Attempt {
        self.rejected(why.into(), Spent::default())
    }

    fn rejected(&self, error: DispatchError, spent: Spent) -> Attempt {
        if let DispatchError::NotAdmitted(why) = &error {
            self.context.count(why);
        }
        Attempt::Ended(Box::new(Err(error)), spent)
    }
}

/// The rejection of a call for which the queues have no capacity.
fn full(exhausted: Exhausted) -> Rejection {
    let retry_after = WHEN_FULL;
    match exhausted {
        Exhausted::Pool => Rejection::QueueFull { retry_after },
        Exhausted::Share => Rejection::ShareExceeded { retry_after },
    }
}

/// A portal's rate limit, as its plan names it.
fn rate_limit(limit: bitrix24::RateLimit) -> RateLimit {
    let bitrix24::RateLimit { burst, per_second } = limit;
    RateLimit { burst, per_second }
}
