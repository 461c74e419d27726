//! Writes the ledger: what comes while one transaction runs shares the next one.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Unavailable;
use super::running::{Hold, Running};
use store::ledger::{End, Start};
use store::{Store, StoreError};

/// Rows of one transaction, beside the last job's: above that nothing is saved, and everybody in it waits for all of it.
const ROWS: usize = 256;

/// Ends of one transaction that were not written before.
const REPEATED: usize = 64;

/// How long to wait after an end could not be written.
const PAUSE: Duration = Duration::from_secs(1);

/// What is to be written.
#[derive(Debug)]
pub(super) enum Job {
    /// Calls that are about to be sent.
    Start {
        starts: Vec<Start>,
        /// The attempts that may be sent.
        told: oneshot::Sender<Result<Arc<HashSet<i64>>, Unavailable>>,
    },
    /// What became of calls.
    End {
        endings: Vec<Ending>,
        /// Told once the store has it, or does not take it now.
        done: Option<oneshot::Sender<()>>,
    },
}

/// What became of a call.
#[derive(Debug)]
pub(super) struct Ending {
    /// Keeps the call in hand until the store has this.
    pub(super) _hold: Option<Hold>,
    pub(super) end: End,
}

/// Writes the ledger, alone in its process.
pub(super) struct Writer {
    pub(super) store: Store,
    pub(super) owner: Uuid,
    pub(super) lifetime: Duration,
    pub(super) jobs: mpsc::UnboundedReceiver<Job>,
    pub(super) left: Left,
}

/// Ends that the store has not taken.
#[derive(Debug)]
pub(super) struct Left {
    endings: VecDeque<Ending>,
    /// How many to try at once: one after a failure, so that a single one that never works does not hold the others up.
    at_once: usize,
    /// When to try next.
    next: Instant,
}

/// Jobs of one transaction.
#[derive(Default)]
struct Batch {
    starts: Vec<Start>,
    told: Vec<oneshot::Sender<Result<Arc<HashSet<i64>>, Unavailable>>>,
    endings: Vec<Ending>,
    done: Vec<oneshot::Sender<()>>,
}

impl Writer {
    /// Writes until `stopped`, and then until no call is in hand any more.
    pub(super) async fn run(mut self, running: Arc<Running>, stopped: CancellationToken) {
        let finished = async {
            stopped.cancelled().await;
            running.finished().await;
        };
        tokio::pin!(finished);
        loop {
            tokio::select! {
                biased;
                Some(job) = self.jobs.recv() => self.write(job).await,
                () = self.left.due() => self.write_left().await,
                () = &mut finished => break,
            }
        }
        // What was let go of while it was not written.
        self.write_left().await;
    }

    async fn write(&mut self, job: Job) {
        let mut batch = Batch::default();
        batch.add(job);
        while batch.starts.len() + batch.endings.len() < ROWS {
            match self.jobs.try_recv() {
                Ok(job) => batch.add(job),
                Err(_) => break,
            }
        }
        let Batch {
            starts,
            told,
            endings,
            done,
        } = batch;
        let ends: Vec<&End> = endings.iter().map(|ending| &ending.end).collect();
        let written = self
            .store
            .write_ledger(self.owner, self.lifetime, starts, &ends);
        let told_to_all = match written.await {
            Ok(started) => {
                drop(endings);
                Ok(Arc::new(started))
            }
            Err(error) => {
                self.left.add(endings, &error);
                Err(Unavailable::from(error))
            }
        };
        // Whoever has left does not mind.
        for told in told {
            let _ = told.send(told_to_all.clone());
        }
        for done in done {
            let _ = done.send(());
        }
    }

    async fn write_left(&mut self) {
        let endings = self.left.take();
        if endings.is_empty() {
            return;
        }
        let ends: Vec<&End> = endings.iter().map(|ending| &ending.end).collect();
        let written = self
            .store
            .write_ledger(self.owner, self.lifetime, Vec::new(), &ends);
        match written.await {
            Ok(_) => self.left.are_written(endings.len()),
            Err(error) => self.left.add(endings, &error),
        }
    }
}

impl Left {
    pub(super) fn new() -> Self {
        Self {
            endings: VecDeque::new(),
            at_once: REPEATED,
            next: Instant::now(),
        }
    }

    /// Waits until there is something to try again; without end if there is nothing.
    async fn due(&self) {
        if self.endings.is_empty() {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep_until(self.next).await;
    }

    fn take(&mut self) -> Vec<Ending> {
        let count = self.at_once.min(self.endings.len());
        self.endings.drain(..count).collect()
    }

    /// Behind the others, so that each gets its turn.
    fn add(&mut self, endings: Vec<Ending>, error: &StoreError) {
        if endings.is_empty() {
            return;
        }
        if self.endings.is_empty() {
            let cause = std::error::Error::source(error).map(ToString::to_string);
            tracing::warn!(
                %error,
                cause,
                "the ledger cannot be written; what became of calls is kept in memory until it can"
            );
        }
        self.endings.extend(endings);
        self.at_once = 1;
        self.next = Instant::now() + PAUSE;
    }

    fn are_written(&mut self, count: usize) {
        self.at_once = (self.at_once * 2).min(REPEATED);
        self.next = Instant::now();
        if self.endings.is_empty() {
            tracing::info!(count, "the ledger is written again");
        }
    }
}

impl Batch {
    fn add(&mut self, job: Job) {
        match job {
            Job::Start { starts, told } => {
                self.starts.extend(starts);
                self.told.push(told);
            }
            Job::End { endings, done } => {
                self.endings.extend(endings);
                self.done.extend(done);
            }
        }
    }
}
