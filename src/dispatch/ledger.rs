//! Which calls with an idempotency key were sent, and what became of them.
//!
//! A caller that repeats a call with the same key gets what became of the first attempt. It is sent anew only if the first was
//! certainly not executed. The store knows it, so that this holds across crashes and replicas:
//!
//! 1. [`Ledger::enter`] looks whether the call is known. If not, the asker gets a [`Claim`], and everybody else with the same key waits.
//! 2. [`Ledger::start`] writes that the call is about to be sent, before it is: the store has it durably.
//! 3. [`Ledger::end`] writes what became of it, before the caller is answered.
//!
//! A process that dies between 2 and 3 leaves a row that says `started`. Whoever finds it after the process was missed for a while says
//! that nobody knows what became of the call, and it stays so.

mod claim;
mod cleaning;
mod fingerprint;
mod running;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

pub use self::claim::Claim;
pub use self::fingerprint::Fingerprint;
use self::running::{Hold, Joined, Running, Told};
use self::writer::{Job, Left, Writer};
use super::replica::Replica;
use crate::metrics::{LedgerResult, Metrics};
use bitrix24::Answer;
use bitrix24::TenantId;
use store::ledger::{Id, State};
use store::{Store, StoreError};

/// How long a caller waits for the store to take what became of its call. If it takes longer the caller is answered, and the store is
/// tried on; only a crash meanwhile makes the outcome unknown.
const PATIENCE: Duration = Duration::from_secs(1);

/// How soon to look again for a call that another replica has in hand; then after twice as long each time.
const SOON: Duration = Duration::from_millis(50);

/// How long between two looks at most.
const SELDOM: Duration = Duration::from_millis(400);

/// A call with an idempotency key.
#[derive(Clone, Debug)]
pub struct Key {
    /// Whose it is.
    pub tenant: TenantId,
    /// The idempotency key.
    pub idempotency_key: Uuid,
    /// What it asks for.
    pub fingerprint: Fingerprint,
}

/// What the ledger says of a call.
#[derive(Debug)]
pub enum Entered {
    /// It was not sent, and may be.
    First(Claim),
    /// It was executed with this answer.
    Answered(Answer),
    /// It left and nobody knows what became of it. It must not be sent again.
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

/// What became of a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Recorded {
    /// The portal answered.
    Answered(Answer),
    /// It left and nobody knows.
    Unknown,
    /// It was certainly not executed: the same key may be tried anew.
    NotExecuted,
}

/// Why the ledger does not say anything of a call. Nothing was sent this time.
#[derive(Clone, Debug, Error)]
pub enum LedgerError {
    /// It cannot be read.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The key was used for another request.
    #[error("the idempotency key was used for another request")]
    Reused,
    /// The deadline passed while an earlier attempt was still running.
    #[error("an earlier attempt was still running at the deadline")]
    StillRunning,
}

/// The ledger cannot be read or written.
#[derive(Clone, Debug, Error)]
pub enum Unavailable {
    /// The store failed.
    #[error("the ledger cannot be read or written")]
    Store(#[from] Arc<StoreError>),
    /// The store did not answer before the call's deadline.
    #[error("the ledger was not read before the deadline")]
    Late,
    /// The service stops.
    #[error("the ledger is closed, because the service stops")]
    Closed,
}

/// The ledger. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Ledger {
    store: Store,
    replica: Replica,
    running: Arc<Running>,
    jobs: mpsc::UnboundedSender<Job>,
    metrics: Metrics,
}

impl Ledger {
    /// Opens the ledger of `store`. What became of a call is kept for `lifetime` from when it was sent. What has to be written when the
    /// service is `stopped` is a task of `tasks`.
    pub fn new(
        store: Store,
        replica: Replica,
        lifetime: Duration,
        metrics: Metrics,
        tasks: &TaskTracker,
        stopped: &CancellationToken,
    ) -> Self {
        let (jobs, received) = mpsc::unbounded_channel();
        let running = Arc::new(Running::default());
        let writer = Writer {
            store: store.clone(),
            owner: replica.id(),
            lifetime,
            jobs: received,
            left: Left::new(),
        };
        let writing = writer.run(Arc::clone(&running), stopped.clone());
        tasks.spawn(replica.outlived_by(writing));
        tasks.spawn(cleaning::clean(store.clone(), stopped.clone()));
        Self {
            store,
            replica,
            running,
            jobs,
            metrics,
        }
    }

    /// Asks whether a call may be sent. Waits while an earlier attempt is running, in this process or another one; `on_wait` is told
    /// when it begins to.
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
            let mut told = match self.running.join(&id, fingerprint) {
                Joined::Reused => return Err(LedgerError::Reused),
                Joined::Mine(hold) => return self.look_up(hold, deadline, on_wait).await,
                Joined::Theirs(told) => told,
            };
            if !has_waited {
                has_waited = true;
                on_wait();
                self.metrics.key_looked_up(LedgerResult::Waited);
            }
            let told = tokio::time::timeout_at(deadline, told.wait_for(Option::is_some)).await;
            match told {
                Err(_elapsed) => return Err(LedgerError::StillRunning),
                Ok(Ok(told)) => {
                    if let Some(told) = told.clone() {
                        return Ok(told.into());
                    }
                }
                // It was not sent, so somebody else may.
                Ok(Err(_gone)) => {}
            }
        }
    }

    /// Asks the store, for all in this process who wait for the call.
    async fn look_up(
        &self,
        hold: Hold,
        deadline: Instant,
        on_wait: impl Fn() + Send,
    ) -> Result<Entered, LedgerError> {
        let mut pause = SOON;
        let mut is_running = false;
        loop {
            let read = tokio::time::timeout_at(deadline, self.store.ledger_row(hold.id())).await;
            let row = match read {
                Ok(row) => row.map_err(Unavailable::from)?,
                Err(_elapsed) if is_running => return Err(LedgerError::StillRunning),
                Err(_elapsed) => return Err(Unavailable::Late.into()),
            };
            let Some(row) = row else {
                return Ok(Entered::First(Claim::new(hold, self.jobs.clone())));
            };
            if row.fingerprint != hold.fingerprint().bytes() {
                return Err(LedgerError::Reused);
            }
            let told = match row.state {
                State::Answered(answer) => Some(Told::Answered(read_answer(&answer)?)),
                State::Unknown => Some(Told::Unknown),
                // All that this process may have sent is in hand or ended. So this is left of an attempt that was not sent.
                State::Started { owner, .. } if owner == self.replica.id() => {
                    return Ok(Entered::First(Claim::new(hold, self.jobs.clone())));
                }
                State::Started { owner, silent_for } => {
                    let abandoned = self.abandon(hold.id(), owner, silent_for).await?;
                    abandoned.then_some(Told::Unknown)
                }
            };
            if let Some(told) = told {
                hold.tell(told.clone());
                return Ok(told.into());
            }
            if !is_running {
                is_running = true;
                on_wait();
                self.metrics.key_looked_up(LedgerResult::Waited);
            }
            let next = Instant::now() + pause.mul_f64(rand::random_range(0.75..1.25));
            if next >= deadline {
                tokio::time::sleep_until(deadline).await;
                return Err(LedgerError::StillRunning);
            }
            tokio::time::sleep_until(next).await;
            pause = (pause * 2).min(SELDOM);
        }
    }

    /// Gives up a call whose replica is dead; false if it may be alive.
    async fn abandon(
        &self,
        id: &Id,
        owner: Uuid,
        silent_for: Duration,
    ) -> Result<bool, Unavailable> {
        match self.replica.deadly_silence() {
            Some(silence) if silent_for >= silence => {
                Ok(self.store.abandon(id, owner, silence).await?)
            }
            Some(_) | None => Ok(false),
        }
    }

    /// Writes that calls are about to be sent, and says for each whether it may be. It is durable when this returns.
    ///
    /// A call that is sent again, because the portal did not execute it, is started again.
    ///
    /// # Errors
    ///
    /// The store. Nothing may be sent then; the claims are as good as before.
    pub async fn start(&self, claims: &[&Claim]) -> Result<Vec<Started>, Unavailable> {
        let (told, started) = oneshot::channel();
        let starts = claims.iter().map(|claim| claim.start()).collect();
        let job = Job::Start { starts, told };
        self.jobs.send(job).map_err(|_| Unavailable::Closed)?;
        let started = started.await.map_err(|_| Unavailable::Closed)??;
        let started = claims.iter().map(|claim| {
            if started.contains(&claim.attempt()) {
                claim.go();
                Started::Go
            } else {
                Started::Taken
            }
        });
        Ok(started.collect())
    }

    /// Writes what became of calls. When this returns the store has it, or does not take it now and is tried on.
    pub async fn end(&self, ended: Vec<(Claim, Recorded)>) {
        let endings = ended.into_iter();
        let endings = endings.filter_map(|(claim, recorded)| claim.end(recorded));
        let endings: Vec<_> = endings.collect();
        if endings.is_empty() {
            return;
        }
        let (done, written) = oneshot::channel();
        let job = Job::End {
            endings,
            done: Some(done),
        };
        if self.jobs.send(job).is_err() {
            tracing::warn!("what became of a call was not written, because the service stops");
            return;
        }
        // The writer tells or has ended, or the caller has waited long enough: the rest is its own.
        let _ = tokio::time::timeout(PATIENCE, written).await;
    }
}

/// Reads an answer as [`Claim`] has written it.
fn read_answer(json: &str) -> Result<Answer, Unavailable> {
    serde_json::from_str(json)
        .map_err(|_| StoreError::Corrupt("the answer of a call".to_owned()).into())
}

impl From<Told> for Entered {
    fn from(told: Told) -> Self {
        match told {
            Told::Answered(answer) => Self::Answered(answer),
            Told::Unknown => Self::Unknown,
        }
    }
}

impl From<StoreError> for Unavailable {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}
