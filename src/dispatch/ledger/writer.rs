//! Writes the ledger: writes that arrive during a transaction share the next one.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::error::Unavailable;
use super::lanes::{Ending, Started, Write};
use super::running::Running;
use crate::telemetry::chain;
use store::ledger::{End, Start};
use store::{Store, StoreError};

/// After this many rows no further write joins a transaction: more would save nothing, and each
/// write waits for all rows.
const ROWS: usize = 256;

/// The most outcomes that one transaction retries.
const RETRIED: usize = 64;

/// How long to wait after a failed write.
const PAUSE: Duration = Duration::from_secs(1);

/// A writer of the ledger; there is one for each lane.
pub(super) struct Writer {
    store: Store,
    owner: Uuid,
    lifetime: Duration,
    writes: mpsc::UnboundedReceiver<Write>,
    unwritten: Unwritten,
    problem: Arc<LastProblem>,
}

/// The last failed write, for readiness.
#[derive(Debug, Default)]
pub(super) struct LastProblem(Mutex<Option<(Instant, String)>>);

impl LastProblem {
    /// How long a failed write tells of the state of the ledger. Outcomes that are left are retried
    /// more often.
    const TELLS: Duration = Duration::from_secs(3);

    fn note(&self, written: Result<(), &StoreError>) {
        let problem = written.err().map(|error| (Instant::now(), chain(error)));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = problem;
    }

    pub(super) fn current(&self) -> Option<String> {
        let problem = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let problem = problem.as_ref();
        let current = problem.filter(|(at, _)| at.elapsed() < Self::TELLS);
        current.map(|(_, problem)| problem.clone())
    }
}

/// Outcomes whose write failed.
#[derive(Debug)]
struct Unwritten {
    endings: VecDeque<Ending>,
    /// How many to retry in a transaction: one after a failure, so that one that always fails does
    /// not block the others.
    at_once: usize,
    /// When to retry.
    next: Instant,
}

/// The writes of one transaction.
#[derive(Default)]
struct Batch {
    starts: Vec<Start>,
    replies: Vec<oneshot::Sender<Started>>,
    endings: Vec<Ending>,
    done: Vec<oneshot::Sender<()>>,
}

impl Writer {
    pub(super) fn new(
        store: Store,
        owner: Uuid,
        lifetime: Duration,
        writes: mpsc::UnboundedReceiver<Write>,
        problem: Arc<LastProblem>,
    ) -> Self {
        Self {
            store,
            owner,
            lifetime,
            writes,
            unwritten: Unwritten::new(),
            problem,
        }
    }

    /// Writes until `stopped`, and then until no call is in progress any more.
    pub(super) async fn run(mut self, running: Arc<Running>, stopped: CancellationToken) {
        let finished = async {
            stopped.cancelled().await;
            running.finished().await;
        };
        tokio::pin!(finished);
        loop {
            tokio::select! {
                biased;
                Some(write) = self.writes.recv() => {
                    self.write(write).await;
                    // Under constant load the next write is always there first.
                    if self.unwritten.is_due() {
                        self.write_unwritten().await;
                    }
                }
                () = self.unwritten.due() => self.write_unwritten().await,
                () = &mut finished => break,
            }
        }
        // The last outcomes without a guard.
        self.write_unwritten().await;
    }

    async fn write(&mut self, write: Write) {
        let mut batch = Batch::default();
        batch.add(write);
        while batch.starts.len() + batch.endings.len() < ROWS {
            match self.writes.try_recv() {
                Ok(write) => batch.add(write),
                Err(_) => break,
            }
        }
        let Batch {
            starts,
            replies,
            endings,
            done,
        } = batch;
        let ends: Vec<&End> = endings.iter().map(|ending| &ending.end).collect();
        let written = self
            .store
            .write_ledger(self.owner, self.lifetime, starts, &ends);
        let written = written.await;
        self.problem.note(written.as_ref().map(drop));
        let reply_to_all = match written {
            Ok(started) => {
                drop(endings);
                Ok(Arc::new(started))
            }
            Err(error) => {
                self.unwritten.add(endings, &error);
                Err(Unavailable::from(error))
            }
        };
        // The caller may have cancelled.
        for reply in replies {
            let _ = reply.send(reply_to_all.clone());
        }
        for done in done {
            let _ = done.send(());
        }
    }

    async fn write_unwritten(&mut self) {
        let endings = self.unwritten.take();
        if endings.is_empty() {
            return;
        }
        let ends: Vec<&End> = endings.iter().map(|ending| &ending.end).collect();
        let written = self
            .store
            .write_ledger(self.owner, self.lifetime, Vec::new(), &ends);
        let written = written.await;
        self.problem.note(written.as_ref().map(drop));
        match written {
            Ok(_) => self.unwritten.are_written(endings.len()),
            Err(error) => self.unwritten.add(endings, &error),
        }
    }
}

impl Unwritten {
    fn new() -> Self {
        Self {
            endings: VecDeque::new(),
            at_once: RETRIED,
            next: Instant::now(),
        }
    }

    fn is_due(&self) -> bool {
        !self.endings.is_empty() && self.next <= Instant::now()
    }

    /// Waits until a retry is due; forever if there is nothing to retry.
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

    /// Appends, so that each gets its turn.
    fn add(&mut self, endings: Vec<Ending>, error: &StoreError) {
        if endings.is_empty() {
            return;
        }
        if self.endings.is_empty() {
            let cause = std::error::Error::source(error).map(ToString::to_string);
            tracing::warn!(
                %error,
                cause,
                "ledger cannot be written; outcomes are kept in memory and retried"
            );
        }
        self.endings.extend(endings);
        self.at_once = 1;
        self.next = Instant::now() + PAUSE;
    }

    fn are_written(&mut self, count: usize) {
        self.at_once = (self.at_once * 2).min(RETRIED);
        self.next = Instant::now();
        if self.endings.is_empty() {
            tracing::info!(count, "ledger can be written again");
        }
    }
}

impl Batch {
    fn add(&mut self, write: Write) {
        match write {
            Write::Start { starts, reply } => {
                self.starts.extend(starts);
                self.replies.push(reply);
            }
            Write::End { endings, done } => {
                self.endings.extend(endings);
                self.done.extend(done);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bitrix24::TenantId;
    use store::ledger::{Id, Outcome, Row, State};
    use store::sealing::Key;
    use store::{Access, Keyring, StoreUrl};

    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    fn ending(request: Uuid, attempt: i64) -> Ending {
        Ending::of(End {
            id: id(request),
            attempt,
            outcome: Outcome::Answered("{}".to_owned()),
        })
    }

    fn id(request: Uuid) -> Id {
        Id {
            tenant: TenantId::parse("acme").unwrap(),
            request,
        }
    }

    #[tokio::test]
    async fn what_an_outage_left_gets_its_turn_under_constant_load() {
        let folder = tempfile::tempdir().unwrap();
        let url = StoreUrl::Sqlite(folder.path().join("store.db"));
        let keyring = Keyring::from(Key::generate().unwrap());
        let store = Store::open(&url, keyring, Access::Service).await.unwrap();
        let (owner, left) = (Uuid::new_v4(), Uuid::new_v4());
        let start = Start {
            id: id(left),
            fingerprint: [0; 32],
            attempt: 1,
            replaces: None,
        };
        let started = store.write_ledger(owner, DAY, vec![start], &[]);
        assert_eq!(started.await.unwrap().len(), 1);

        let mut unwritten = Unwritten::new();
        unwritten.endings.push_back(ending(left, 1));
        let (sender, writes) = mpsc::unbounded_channel();
        let writer = Writer {
            store: store.clone(),
            owner,
            lifetime: DAY,
            writes,
            unwritten,
            problem: Arc::default(),
        };
        // Each fills a transaction by itself, and there is always a next one.
        let write = || {
            let endings = (0..ROWS).map(|_| ending(Uuid::new_v4(), 2)).collect();
            let (done, written) = oneshot::channel();
            let done = Some(done);
            sender.send(Write::End { endings, done }).unwrap();
            written
        };
        let mut queued: VecDeque<_> = (0..3).map(|_| write()).collect();
        let stopped = CancellationToken::new();
        tokio::spawn(writer.run(Arc::default(), stopped.clone()));
        let is_written = async || {
            let row = store.ledger_row(&id(left)).await.unwrap();
            matches!(
                row,
                Some(Row {
                    state: State::Answered(_),
                    ..
                })
            )
        };
        let mut writes = 0;
        while !is_written().await {
            assert!(writes < 20, "not written after {writes} transactions");
            queued.push_back(write());
            queued.pop_front().unwrap().await.unwrap();
            writes += 1;
        }
        stopped.cancel();
    }
}
