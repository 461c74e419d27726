//! The ledger: the outcomes of calls with an idempotency key.
//!
//! A retry with the same key gets the outcome of the first attempt. The call is sent again only if
//! the first attempt was definitely not executed. The store keeps the outcomes, so that this holds
//! across crashes and replicas:
//!
//! 1. [`Ledger::enter`] looks whether the call is known. If not, the caller gets a [`Claim`], and
//!    all other attempts with the same key wait.
//! 2. [`Ledger::start`] durably writes that the call is about to be sent.
//! 3. [`Ledger::end`] writes its outcome, before the caller gets the response.
//!
//! A process that dies between 2 and 3 leaves a row that says `started`. Another replica that finds
//! the row, and considers the process dead, marks the outcome as unknown for good.

mod claim;
mod cleaning;
mod error;
mod fingerprint;
mod recorded;
mod running;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use uuid::Uuid;

pub use self::claim::Claim;
pub use self::error::{LedgerError, Unavailable};
pub use self::fingerprint::Fingerprint;
pub use self::recorded::Recorded;
use self::recorded::Settled;
use self::running::{Joined, KeyGuard, Running};
use self::writer::{LastProblem, Unwritten, Write, Writer};
use super::replica::Replica;
use crate::metrics::{LedgerResult, Metrics};
use crate::tasks::Tasks;
use bitrix24::Answer;
use bitrix24::TenantId;
use store::ledger::{Id, State};
use store::{Store, StoreError};

/// How long a caller waits for the store to write the outcome of its call. After that the caller
/// gets its response, and the write is retried; only a crash before it succeeds makes the outcome
/// unknown.
const WRITE_TIMEOUT: Duration = Duration::from_secs(1);

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
    writes: mpsc::UnboundedSender<Write>,
    metrics: Metrics,
    problem: Arc<LastProblem>,
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
        let (writes, received) = mpsc::unbounded_channel();
        let running = Arc::new(Running::default());
        let problem = Arc::<LastProblem>::default();
        let writer = Writer {
            store: store.clone(),
            owner: replica.id(),
            lifetime,
            writes: received,
            unwritten: Unwritten::new(),
            problem: Arc::clone(&problem),
        };
        let writing = writer.run(Arc::clone(&running), tasks.stopped());
        tasks.spawn_lasting("writer of the ledger", replica.outlive(writing));
        let cleaning = cleaning::clean(store.clone(), tasks.stopped());
        tasks.spawn_lasting("cleaning of the ledger", cleaning);
        Self {
            store,
            replica,
            running,
            writes,
            metrics,
            problem,
        }
    }

    /// Why it could not be written just now; `None` if it could.
    pub(crate) fn problem(&self) -> Option<String> {
        self.problem.current()
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
        let mut wait = FIRST_WAIT;
        let mut is_running = false;
        loop {
            let read = tokio::time::timeout_at(deadline, self.store.ledger_row(guard.id())).await;
            let row = match read {
                Ok(row) => row.map_err(Unavailable::from)?,
                Err(_elapsed) if is_running => return Err(LedgerError::StillRunning),
                Err(_elapsed) => return Err(Unavailable::Late.into()),
            };
            let Some(row) = row else {
                return Ok(Entered::First(Claim::new(guard, self.writes.clone())));
            };
            if row.fingerprint != guard.fingerprint().bytes() {
                return Err(LedgerError::Reused);
            }
            let settled = match row.state {
                State::Answered(answer) => Some(Settled::Answered(read_answer(&answer)?)),
                State::Unknown => Some(Settled::Unknown),
                // A call that this process sent is in progress or has ended, so the row is left
                // from an attempt that was not sent.
                State::Started { owner, .. } if owner == self.replica.id() => {
                    return Ok(Entered::First(Claim::new(guard, self.writes.clone())));
                }
                State::Started { owner, silent_for } => {
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
    /// The store failed. Then nothing may be sent, and the claims are as they were.
    pub async fn start(&self, claims: &[&Claim]) -> Result<Vec<Started>, Unavailable> {
        let (reply, started) = oneshot::channel();
        let starts = claims.iter().map(|claim| claim.start()).collect();
        let write = Write::Start { starts, reply };
        self.writes.send(write).map_err(|_| Unavailable::Closed)?;
        let started = started.await.map_err(|_| Unavailable::Closed)??;
        let started = claims.iter().map(|claim| {
            if started.contains(&claim.attempt()) {
                Started::Go
            } else {
                Started::Taken
            }
        });
        Ok(started.collect())
    }

    /// Writes the outcomes of calls. When this returns, the store has them, or the write is
    /// retried.
    pub async fn end(&self, ended: Vec<(Claim, Recorded)>) {
        let endings = ended.into_iter();
        let endings = endings.filter_map(|(claim, recorded)| claim.end(recorded));
        let endings: Vec<_> = endings.collect();
        if endings.is_empty() {
            return;
        }
        let (done, written) = oneshot::channel();
        let write = Write::End {
            endings,
            done: Some(done),
        };
        if self.writes.send(write).is_err() {
            tracing::warn!("outcome of a call was not written, because the service stops");
            return;
        }
        // Whatever the result, the writer goes on.
        let _ = tokio::time::timeout(WRITE_TIMEOUT, written).await;
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
