//! The ledger: the outcomes of calls with an idempotency key.
//!
//! A retry with the same key gets the outcome of the first attempt. The call is sent again only if
//! the first attempt was definitely not executed. The store keeps the outcomes, so that this holds
//! across crashes and replicas:
//!
//! 1. [`Ledger::enter`] looks whether the call is known. If not, the caller gets a [`Claim`], and
//!    all other attempts with the same key wait.
//! 2. [`Ledger::start`] durably writes that the call is about to be sent.
//! 3. [`Ledger::end`] has its outcome written. The caller gets the response meanwhile.
//!
//! A process that dies before 3 is written leaves a row that says `started`. Another replica that
//! finds the row, and considers the process dead, marks the outcome as unknown for good. So does
//! this one, if a crash of the database has lost what 3 wrote.

mod backlog;
mod claim;
mod cleaning;
mod ending;
mod error;
mod fingerprint;
mod held;
mod known;
mod lanes;
mod late_starts;
mod problem;
mod reader;
mod recorded;
mod running;
mod unsent;
mod unwritten;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use uuid::Uuid;

pub use self::claim::Claim;
use self::ending::Ending;
pub use self::error::{LedgerError, Unavailable};
pub use self::fingerprint::Fingerprint;
pub use self::known::Known;
use self::lanes::Lanes;
use self::problem::Problems;
use self::reader::Read;
pub use self::recorded::Recorded;
use self::recorded::Settled;
use self::running::{Joined, KeyGuard, Running};
use self::writer::Writer;
use super::replica::Replica;
use crate::metrics::{LedgerResult, Metrics};
use crate::tasks::Tasks;
use bitrix24::Answer;
use bitrix24::TenantId;
use store::ledger::{End, Id, Outcome, Row, State};
use store::{Store, StoreError};

/// The first wait before reading again a call that another replica has in progress; doubled each
/// time.
const FIRST_WAIT: Duration = Duration::from_millis(50);

/// The longest such wait.
const LONGEST_WAIT: Duration = Duration::from_millis(400);

/// A call with an idempotency key.
#[derive(Clone, Debug)]
pub struct Key {
    /// The tenant that the key belongs to.
    pub tenant: TenantId,
    pub idempotency_key: Uuid,
    /// The fingerprint of its request.
    pub fingerprint: Fingerprint,
}

/// The state of a call.
#[derive(Debug)]
pub enum Entered {
    /// It was not sent, and may be.
    First(Claim),
    /// The portal's response to it.
    Answered(Answer),
    /// It was sent, and its outcome is unknown. It must not be sent again.
    Unknown,
}

/// Whether a claimed call may be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Started {
    /// It may.
    Go,
    /// Another replica has begun to send it: drop the claim and enter again.
    Taken,
}

/// The ledger. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Ledger {
    store: Store,
    replica: Replica,
    running: Arc<Running>,
    lanes: Lanes,
    reads: Reads,
    metrics: Metrics,
    problems: Arc<Problems>,
}

/// How calls are looked up in the store.
#[derive(Clone, Debug)]
enum Reads {
    /// One for all that ask meanwhile.
    Shared(mpsc::UnboundedSender<Read>),
    /// Seldom: the store knows nearly all new keys without being asked.
    Seldom,
}

impl Ledger {
    /// Opens the ledger of `store`. An outcome is kept for `lifetime` from when the call was sent.
    /// What must be written when the service is stopped is a task of `tasks`.
    pub fn new(
        store: Store,
        replica: Replica,
        lifetime: Duration,
        metrics: Metrics,
        tasks: &Tasks,
    ) -> Self {
        let running = Arc::new(Running::default());
        let problems = Arc::<Problems>::default();
        let (lanes, received) = Lanes::of(&store, metrics.clone());
        for received in received {
            let (store, problems) = (store.clone(), Arc::clone(&problems));
            let writer = Writer::new(store, replica.id(), lifetime, received, problems);
            let writing = writer.run(Arc::clone(&running), tasks.stopped());
            tasks.spawn_lasting("writer of the ledger", replica.outlive(writing));
        }
        let reads = if store.is_shared() {
            let (reads, asked) = mpsc::unbounded_channel();
            let reading = reader::run(store.clone(), asked, tasks.stopped());
            tasks.spawn_lasting("reader of the ledger", reading);
            Reads::Shared(reads)
        } else {
            Reads::Seldom
        };
        let (threaded, stopped) = (store.clone(), tasks.stopped());
        let thread = async move {
            tokio::select! {
                () = threaded.ledger_ended() => {}
                () = stopped.cancelled() => {}
            }
        };
        tasks.spawn_lasting("thread of the ledger", thread);
        let cleaning = cleaning::clean(store.clone(), tasks.stopped());
        tasks.spawn_lasting("cleaning of the ledger", cleaning);
        Self {
            store,
            replica,
            running,
            lanes,
            reads,
            metrics,
            problems,
        }
    }

    /// Where it is kept.
    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// Why it could not be written just now; `None` if it could.
    pub(crate) fn problem(&self) -> Option<String> {
        let problem = self.problems.current();
        // Between two attempts that take long, none is the last that failed.
        let is_full = || self.lanes.backlog.is_full().then_some(Unavailable::Full);
        problem.or_else(|| is_full().map(|full| full.to_string()))
    }

    /// Asks whether a call may be sent. Waits while an earlier attempt is in progress, in this
    /// process or another one, and calls `on_wait` first.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn enter(
        &self,
        key: Key,
        deadline: Instant,
        on_wait: impl Fn() + Send,
    ) -> Result<Entered, LedgerError> {
        let Key {
            tenant,
            idempotency_key: request,
            fingerprint,
        } = key;
        let id = Id { tenant, request };
        let mut has_waited = false;
        loop {
            let mut settled = match self.running.join(&id, fingerprint) {
                Joined::Reused => return Err(LedgerError::Reused),
                Joined::First(guard) => return self.look_up(guard, deadline, on_wait).await,
                Joined::Running(settled) => settled,
            };
            if !has_waited {
                has_waited = true;
                on_wait();
                self.metrics.key_looked_up(LedgerResult::Waited);
            }
            let settled = settled.wait_for(Option::is_some);
            match tokio::time::timeout_at(deadline, settled).await {
                Err(_elapsed) => return Err(LedgerError::StillRunning),
                Ok(Ok(settled)) => {
                    if let Some(settled) = settled.clone() {
                        return Ok(settled.into());
                    }
                }
                // It was not sent, so this attempt may.
                Ok(Err(_gone)) => {}
            }
        }
    }

    /// Asks the store, for all attempts in this process.
    async fn look_up(
        &self,
        guard: KeyGuard,
        deadline: Instant,
        on_wait: impl Fn() + Send,
    ) -> Result<Entered, LedgerError> {
        if self.store.is_new_in_ledger(guard.id()) {
            return Ok(self.first(guard, None));
        }
        let mut wait = FIRST_WAIT;
        let mut is_running = false;
        loop {
            let read = tokio::time::timeout_at(deadline, self.read(guard.id())).await;
            let row = match read {
                Ok(row) => row?,
                Err(_elapsed) if is_running => return Err(LedgerError::StillRunning),
                Err(_elapsed) => return Err(Unavailable::Late.into()),
            };
            let Some(row) = row else {
                return Ok(self.first(guard, None));
            };
            let own = match row.state {
                State::Started { owner, attempt, .. } if owner == self.replica.id() => {
                    Some(attempt)
                }
                State::Started { .. } | State::Answered(_) | State::Unknown => None,
            };
            if let Some(attempt) = own
                && self.running.unsent.has(attempt)
            {
                return Ok(self.first(guard, own));
            }
            if row.fingerprint != guard.fingerprint().bytes() {
                return Err(LedgerError::Reused);
            }
            if let Some(attempt) = own {
                return Ok(self.lost(guard, attempt));
            }
            let settled = match row.state {
                State::Answered(answer) => Some(Settled::Answered(read_answer(&answer)?)),
                State::Unknown => Some(Settled::Unknown),
                State::Started {
                    owner, silent_for, ..
                } => {
                    let abandon = self.abandon(guard.id(), owner, silent_for);
                    let abandoned = tokio::time::timeout_at(deadline, abandon).await;
                    let abandoned = abandoned.map_err(|_elapsed| LedgerError::StillRunning)??;
                    abandoned.then_some(Settled::Unknown)
                }
            };
            if let Some(settled) = settled {
                guard.settle(settled.clone());
                return Ok(settled.into());
            }
            if !is_running {
                is_running = true;
                on_wait();
                self.metrics.key_looked_up(LedgerResult::Waited);
            }
            let next = Instant::now() + wait.mul_f64(rand::random_range(0.75..1.25));
            if next >= deadline {
                tokio::time::sleep_until(deadline).await;
                return Err(LedgerError::StillRunning);
            }
            tokio::time::sleep_until(next).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    async fn read(&self, id: &Id) -> Result<Option<Row>, Unavailable> {
        if let Reads::Shared(reads) = &self.reads {
            let (reply, row) = oneshot::channel();
            let id = id.clone();
            if reads.send(Read { id, reply }).is_ok()
                && let Ok(row) = row.await
            {
                return row;
            }
            // The service stops.
        }
        Ok(self.store.ledger_row(id).await?)
    }

    fn first(&self, guard: KeyGuard, replaces: Option<i64>) -> Entered {
        Entered::First(Claim::new(guard, replaces, self.lanes.clone()))
    }

    /// This process has sent the call, and a crash of the database has lost the outcome.
    fn lost(&self, guard: KeyGuard, attempt: i64) -> Entered {
        guard.settle(Settled::Unknown);
        let end = End {
            id: guard.id().clone(),
            attempt,
            outcome: Outcome::Unknown,
        };
        self.lanes
            .end(Ending::guarding(guard, end, &self.lanes.backlog));
        Entered::Unknown
    }

    /// Marks a call of a dead replica as unknown; false if the replica may be alive.
    async fn abandon(
        &self,
        id: &Id,
        owner: Uuid,
        silent_for: Duration,
    ) -> Result<bool, Unavailable> {
        match self.replica.death_timeout() {
            Some(timeout) if silent_for >= timeout => {
                Ok(self.store.abandon(id, owner, timeout).await?)
            }
            Some(_) | None => Ok(false),
        }
    }

    /// Writes that calls are about to be sent, and returns for each whether it may be. The write is
    /// durable when this returns. A call that is retried is started again.
    ///
    /// # Errors
    ///
    /// The store failed, or has not taken the outcomes of too many calls. Then nothing may be sent,
    /// and the claims are as they were.
    pub async fn start(&self, claims: &[&Claim]) -> Result<Vec<Started>, Unavailable> {
        if self.lanes.backlog.is_full() {
            return Err(Unavailable::Full);
        }
        let starts = claims.iter().map(|claim| claim.start());
        let starts: Vec<_> = starts.collect();
        let started = self
            .lanes
            .start(starts)?
            .await
            .map_err(|_| Unavailable::Closed)??;
        let started = claims.iter().map(|claim| {
            if started.contains(&claim.attempt()) {
                Started::Go
            } else {
                Started::Taken
            }
        });
        Ok(started.collect())
    }

    /// Has the outcomes of calls written. The write is retried until it succeeds; its callers need
    /// not wait for it, because repeats in this process get the outcome from memory until then.
    /// Returns when it was tried for the first time, if that is awaited.
    pub fn end(&self, ended: Vec<(Claim, Recorded)>) -> oneshot::Receiver<()> {
        let endings = ended.into_iter();
        let endings = endings.filter_map(|(claim, recorded)| claim.end(recorded));
        self.lanes.end_all(endings.collect())
    }
}

/// Reads a response as [`Claim`] wrote it.
fn read_answer(json: &str) -> Result<Answer, Unavailable> {
    serde_json::from_str(json)
        .map_err(|_| StoreError::Corrupt("the answer of a call".to_owned()).into())
}

impl From<Settled> for Entered {
    fn from(settled: Settled) -> Self {
        match settled {
            Settled::Answered(answer) => Self::Answered(answer),
            Settled::Unknown => Self::Unknown,
        }
    }
}
