//! When and how often a call is sent.
//!
//! A valid [`Call`] waits at its portal until the portal's budgets, its conversation and the calls before it let it go, and then travels
//! alone or with others in a batch. Who is let go has a permit, which only the state of the portal (`portal.rs`) makes; a flight (`flight.rs`) consumes it.
//! A call is sent a second time only where it was certainly not executed the first; the [ledger] holds that across attempts of its caller.

mod announced;
mod breaker;
mod bucket;
mod budget;
mod flight;
mod job;
pub mod ledger;
mod not_admitted;
mod operating;
mod pace;
mod pause;
mod permit;
mod place;
mod portal;
mod queue;
mod repeats;
pub mod replica;
mod room;
mod send_error;
mod settings;
mod shared;
pub mod sharing;
mod taken;
mod ticket;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Span;

pub use self::announced::Announced;
pub use self::bucket::Bucket;
pub use self::job::{Delivered, NoteSent, Spent};
use self::job::{Ended, Job, Sending, Tries};
use self::ledger::{Claim, Entered, Fingerprint, Key, Ledger, LedgerError};
pub use self::not_admitted::{LedgerFailure, NotAdmitted};
use self::place::count_refusal;
use self::queue::{CallNumber, Terms};
use self::room::Room;
pub use self::send_error::SendError;
pub use self::settings::{LedgerSettings, Options};
use self::shared::{Places, Shared};
use self::sharing::Sharing;
pub use self::taken::Taken;
use self::ticket::Ticket;
use crate::call::{Arrival, Conversation};
use crate::check::{Call, CallParts};
use crate::metrics::{LedgerResult, Metrics};
use crate::tenant::PortalAccess;
use bitrix24::Client;
use bitrix24::TenantId;

/// Decides when calls are sent. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Dispatcher {
    places: Arc<Places>,
    shared: Arc<Shared>,
}

/// What a dispatcher sends calls with.
#[derive(Clone, Debug)]
pub struct Means {
    /// Speaks with portals.
    pub client: Client,
    /// Opens them.
    pub access: PortalAccess,
    /// Remembers calls with an idempotency key.
    pub ledger: Ledger,
    /// Shares the portals' budgets with other replicas, if there may be any.
    pub sharing: Option<Sharing>,
    /// Counts.
    pub metrics: Metrics,
}

/// Why a call has no good answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DispatchError {
    /// It was not sent.
    #[error(transparent)]
    NotAdmitted(#[from] NotAdmitted),
    /// It was sent.
    #[error(transparent)]
    Send(#[from] SendError),
}

/// When a call has to be answered.
pub struct Delivery {
    /// When the caller wants its answer at the latest.
    pub deadline: Instant,
    /// Told whether the portal may be executing the call from now on.
    pub note_sent: NoteSent,
}

impl Dispatcher {
    /// Makes a dispatcher. Requests on their way are tasks of `tasks`; once `stopped` is cancelled only those go on that stand in the ledger.
    pub fn new(
        means: Means,
        options: Options,
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
        let shared = Arc::new(Shared {
            client,
            access,
            ledger,
            sharing,
            room: Arc::new(Room::new(&options)),
            options: Arc::new(options),
            metrics,
            tasks: tasks.clone(),
            stopped,
            announcements: Arc::default(),
            numbers: AtomicU64::new(0),
        });
        Self {
            places: Arc::new(Places::new(Arc::clone(&shared))),
            shared,
        }
    }

    /// The operator's choices.
    pub fn options(&self) -> &Options {
        &self.shared.options
    }

    /// Announces a call that is about to be sent to these conversations, each named once; none: it waits for no other call. Calls to them that are
    /// announced later, or arrived later on the same connection, are not sent before it.
    pub(crate) fn announce(
        &self,
        tenant: TenantId,
        conversations: Vec<Conversation>,
        arrival: Option<Arrival>,
    ) -> Announced {
        let number = self.number(arrival.as_ref());
        let announcements = &self.shared.announcements;
        announcements.announce(number, tenant, conversations, arrival)
    }

    /// Sends a call when it is its turn, and says where the time went. A caller that stops waiting before the call was sent takes it
    /// back; what was sent goes on, and what became of it is recorded.
    ///
    /// # Errors
    ///
    /// [`DispatchError`]; it knows whether the call was executed.
    pub async fn send(
        &self,
        call: Call,
        announced: Announced,
        delivery: Delivery,
    ) -> (Result<Delivered, DispatchError>, Spent) {
        let parts = call.into_parts();
        let Some(idempotency_key) = parts.idempotency_key else {
            return match self.send_once(parts, &announced, &delivery, None).await {
                Sent::Ended(outcome, spent) => (*outcome, spent),
                // Nobody can, without a key.
                Sent::Overtaken(spent) => (Err(SendError::Crashed.into()), spent),
            };
        };
        let key = Key {
            tenant: parts.tenant.id().clone(),
            request_id: idempotency_key,
            fingerprint: Fingerprint::of(parts.method, &parts.parameters),
        };
        loop {
            // The attempt that is waited for has the place in the order.
            let on_wait = || announced.leave();
            let claim = match self.enter(&key, delivery.deadline, on_wait).await {
                Ok(Ok(claim)) => claim,
                Ok(Err(replayed)) => return (Ok(replayed), Spent::default()),
                Err(refused) => {
                    return (Err(NotAdmitted::from(refused).into()), Spent::default());
                }
            };
            let sent = self.send_once(parts.clone(), &announced, &delivery, Some(claim));
            if let Sent::Ended(outcome, spent) = sent.await {
                return (*outcome, spent);
            }
        }
    }

    /// Asks the ledger: gives the right to send the call, or the answer to an earlier attempt.
    async fn enter(
        &self,
        key: &Key,
        deadline: Instant,
        on_wait: impl Fn() + Send,
    ) -> Result<Result<Claim, Delivered>, LedgerFailure> {
        let metrics = &self.shared.metrics;
        let ledger = &self.shared.ledger;
        match ledger.enter(key.clone(), deadline, on_wait).await {
            Ok(Entered::First(claim)) => {
                metrics.ledger_asked(LedgerResult::First);
                Ok(Ok(claim))
            }
            Ok(Entered::Answered(answer)) => {
                metrics.ledger_asked(LedgerResult::Replayed);
                Ok(Err(Delivered {
                    answer,
                    is_replayed: true,
                }))
            }
            Ok(Entered::Unknown) => {
                metrics.ledger_asked(LedgerResult::Unknown);
                Err(LedgerFailure::Unknown)
            }
            Err(LedgerError::Reused) => {
                metrics.ledger_asked(LedgerResult::Reused);
                Err(LedgerFailure::Reused)
            }
            Err(LedgerError::StillRunning) => {
                metrics.ledger_asked(LedgerResult::Running);
                Err(LedgerFailure::StillRunning)
            }
            Err(LedgerError::Unavailable(error)) => {
                metrics.ledger_asked(LedgerResult::Unavailable);
                let error = crate::telemetry::chain(&error);
                tracing::warn!(error, "the ledger cannot be read");
                Err(LedgerFailure::Unavailable)
            }
        }
    }

    async fn send_once(
        &self,
        parts: CallParts,
        announced: &Announced,
        delivery: &Delivery,
        claim: Option<Claim>,
    ) -> Sent {
        let CallParts {
            tenant,
            method,
            parameters,
            priority,
            may_be_batched,
            idempotency_key: _,
        } = parts;
        let deadline = delivery.deadline;
        if Instant::now() >= deadline {
            return self.not_sent(NotAdmitted::DeadlinePassed);
        }
        let opened = match self.shared.access.open(tenant, deadline).await {
            Ok(opened) => opened,
            Err(error) => return self.not_sent(error.into()),
        };
        let Some(seat) = self.shared.room.seat(parameters.as_json().len()) else {
            let retry_after = WHEN_FULL;
            return self.not_sent(NotAdmitted::QueueFull { retry_after });
        };
        let number = announced.number();
        let sending = Sending::new(Arc::clone(&delivery.note_sent));
        let (end, mut ended) = oneshot::channel();
        let mut job = Job {
            opened,
            parameters,
            command: None,
            claim,
            tries: Tries::default(),
            spent: Spent::default(),
            seat,
            sending: sending.clone(),
            end,
            span: Span::current(),
        };
        if let Err(late) = announced.turn(deadline).await {
            return self.not_sent(late);
        }
        loop {
            let tenant = job.opened.tenant();
            let plan = tenant.plan().intensity();
            let place = self.places.of(job.opened.portal(), plan);
            let terms = Terms {
                number,
                tenant: tenant.id().clone(),
                method,
                conversations: announced.conversations().to_vec(),
                priority,
                deadline,
                arrived: Instant::now(),
                not_before: None,
                command_bytes: None,
            };
            if let Err(refused) = place.submit(terms, job, plan, may_be_batched) {
                return self.not_sent(refused);
            }
            announced.leave();
            let ticket = Ticket::new(place, number, ended, sending.clone());
            match ticket.ended(deadline).await {
                Ended::Sent(outcome, spent) => {
                    let outcome = outcome.map_err(DispatchError::from);
                    return Sent::Ended(Box::new(outcome), spent);
                }
                Ended::NotSent(why, spent) => {
                    return Sent::Ended(Box::new(Err(why.into())), spent);
                }
                Ended::Overtaken(spent) => return Sent::Overtaken(spent),
                Ended::Moved(moved) => {
                    job = *moved;
                    (job.end, ended) = oneshot::channel();
                }
            }
        }
    }

    fn number(&self, arrival: Option<&Arrival>) -> CallNumber {
        let arrival = arrival.map_or(0, Arrival::number);
        let own = self.shared.numbers.fetch_add(1, Ordering::Relaxed);
        (CallNumber::from(arrival) << 64) | CallNumber::from(own)
    }

    fn not_sent(&self, why: NotAdmitted) -> Sent {
        count_refusal(&self.shared, &why);
        Sent::Ended(Box::new(Err(why.into())), Spent::default())
    }
}

/// When to try again if the process has as many calls waiting as it may.
const WHEN_FULL: Duration = Duration::from_secs(1);

/// How an attempt to send a call has ended.
enum Sent {
    Ended(Box<Result<Delivered, DispatchError>>, Spent),
    /// Another replica runs it, for the same idempotency key.
    Overtaken(Spent),
}
