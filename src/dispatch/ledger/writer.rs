//! Writes the ledger: writes that arrive during a transaction share the next one.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::ending::{BYTES, Ended, Ending};
use super::error::Unavailable;
use super::held::Held;
use super::lanes::{Received, Started, Write};
use super::late_starts::{Late, LateStarts};
use super::problem::{Kinds, Problems};
use super::running::Running;
use super::unwritten::Unwritten;
use store::Store;
use store::ledger::{End, Start};

/// After this many rows no further write joins a transaction: more would save nothing, and each
/// write waits for all rows.
const ROWS: usize = 256;

/// A writer of the ledger; there is one for each lane.
pub(super) struct Writer {
    store: Store,
    owner: Uuid,
    lifetime: Duration,
    writes: mpsc::UnboundedReceiver<Write>,
    held: Option<Arc<Held>>,
    unwritten: Unwritten,
    late: LateStarts,
    problems: Arc<Problems>,
}

/// The writes of one transaction.
#[derive(Default)]
struct Batch {
    kinds: Kinds,
    starts: Vec<Start>,
    replies: Vec<oneshot::Sender<Started>>,
    endings: Vec<Ending>,
    /// Of the answers.
    bytes: usize,
    done: Vec<oneshot::Sender<()>>,
}

impl Writer {
    pub(super) fn new(
        store: Store,
        owner: Uuid,
        lifetime: Duration,
        Received { writes, held }: Received,
        problems: Arc<Problems>,
    ) -> Self {
        Self {
            store,
            owner,
            lifetime,
            writes,
            held,
            unwritten: Unwritten::new(),
            late: LateStarts::default(),
            problems,
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
                    let batch = self.batch(Some(write));
                    self.write(batch).await;
                    // Under constant load the next write is always there first.
                    if self.unwritten.is_due() || self.late.is_due() {
                        self.write_again(&running).await;
                    }
                }
                () = self.unwritten.due() => self.write_again(&running).await,
                () = self.late.due() => self.write_again(&running).await,
                () = due(self.held.as_deref()) => {
                    let batch = self.batch(None);
                    self.write(batch).await;
                }
                () = &mut finished => break,
            }
        }
        // The last outcomes without a guard.
        if let Some(held) = &self.held {
            held.close();
        }
        loop {
            let batch = self.batch(None);
            if batch.is_empty() {
                break;
            }
            self.write(batch).await;
        }
        self.write_unwritten().await;
    }

    /// The next transaction: this write, those that have come since the one before, and outcomes
    /// that have waited for it.
    fn batch(&mut self, write: Option<Write>) -> Batch {
        let mut batch = Batch::default();
        if let Some(write) = write {
            batch.add(write);
        }
        while batch.starts.len() + batch.endings.len() < ROWS && batch.bytes < BYTES {
            match self.writes.try_recv() {
                Ok(write) => batch.add(write),
                Err(_) => break,
            }
        }
        if let Some(held) = &self.held {
            for ended in held.take(ROWS, BYTES) {
                batch.add(Write::End(ended));
            }
        }
        batch
    }

    async fn write(&mut self, batch: Batch) {
        let Batch {
            kinds,
            starts,
            replies,
            endings,
            done,
            ..
        } = batch;
        // A file executes nothing that nobody waits for.
        let perhaps_late = if self.store.is_shared() {
            starts.clone()
        } else {
            Vec::new()
        };
        let ends: Vec<&End> = endings.iter().map(|ending| &ending.end).collect();
        let written = self
            .store
            .write_ledger(self.owner, self.lifetime, starts, &ends);
        let written = written.await;
        self.problems.note(kinds, written.as_ref().map(drop));
        let reply_to_all = match written {
            Ok(started) => {
                drop(endings);
                Ok(Arc::new(started))
            }
            Err(error) => {
                self.unwritten.add(endings, &error);
                self.late.failed(&perhaps_late);
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

    /// Writes the outcomes that are due to be written again.
    async fn write_again(&mut self, running: &Running) {
        if self.unwritten.is_due() {
            self.write_unwritten().await;
        }
        let late = self.late.take(&running.unsent);
        if late.is_empty() {
            return;
        }
        let ends: Vec<End> = late.iter().map(Late::end).collect();
        let ends: Vec<&End> = ends.iter().collect();
        let written = self
            .store
            .write_ledger(self.owner, self.lifetime, Vec::new(), &ends);
        match written.await {
            Ok(_) => self.late.ended(late),
            Err(_) => self.late.not_ended(late),
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
        let kinds = Kinds {
            starts: false,
            ends: true,
        };
        self.problems.note(kinds, written.as_ref().map(drop));
        match written {
            Ok(_) => self.unwritten.are_written(endings.len()),
            Err(error) => self.unwritten.add(endings, &error),
        }
    }
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.starts.is_empty() && self.endings.is_empty()
    }

    fn add(&mut self, write: Write) {
        match write {
            Write::Start { starts, reply } => {
                self.kinds.starts = true;
                self.starts.extend(starts);
                self.replies.push(reply);
            }
            Write::End(Ended { endings, done }) => {
                self.kinds.ends = true;
                self.bytes += endings.iter().map(Ending::bytes).sum::<usize>();
                self.endings.extend(endings);
                self.done.extend(done);
            }
        }
    }
}

async fn due(held: Option<&Held>) {
    match held {
        Some(held) => held.due().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use bitrix24::TenantId;
    use store::ledger::{Id, Outcome, Row, State};
    use store::sealing::Key;
    use store::{Access, Keyring, StoreError, StoreUrl};

    use super::super::backlog::Backlog;
    use super::*;
    use crate::metrics::Metrics;

    const DAY: Duration = Duration::from_hours(24);

    fn ending(request: Uuid, attempt: i64) -> Ending {
        let end = End {
            id: id(request),
            attempt,
            outcome: Outcome::Answered("{}".to_owned()),
        };
        let backlog = Arc::new(Backlog::new(Metrics::new().unwrap()));
        Ending::of(end, &backlog)
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
        let error = StoreError::Corrupt("a row".to_owned());
        unwritten.add(vec![ending(left, 1)], &error);
        let (sender, writes) = mpsc::unbounded_channel();
        let writer = Writer {
            store: store.clone(),
            owner,
            lifetime: DAY,
            writes,
            held: None,
            unwritten,
            late: LateStarts::default(),
            problems: Arc::default(),
        };
        // Each fills a transaction by itself, and there is always a next one.
        let write = || {
            let endings = (0..ROWS).map(|_| ending(Uuid::new_v4(), 2)).collect();
            let (done, written) = oneshot::channel();
            let done = Some(done);
            sender.send(Write::End(Ended { endings, done })).unwrap();
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
