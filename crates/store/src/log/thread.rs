//! The thread that writes the ledger: what was ordered while it wrote is its next transaction.

use std::collections::{HashSet, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvError, TryRecvError};

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::Mutex;

use super::index::Index;
use super::statements::Log;
use super::{BUSY, Order};
use crate::error::StoreError;
use crate::opened_file::OpenedFile;

/// After this many rows no further order joins a transaction: each waits for all rows.
const ROWS: usize = 256;

/// Keys of earlier processes that are noted at once, before the next orders.
const KEYS: u32 = 5_000;

pub(super) struct Worker {
    file: Arc<OpenedFile>,
    turn: Arc<Mutex<()>>,
    index: Arc<Index>,
    orders: Receiver<Order>,
    queue: VecDeque<Order>,
    /// So many are done one by one: one of them has failed, and its others must not.
    alone: usize,
    /// An order that has failed. Who waits for it is told when it is known again what is written.
    failed: Option<(Order, StoreError)>,
    /// The last key of slices that was noted; `None` if all are.
    noted: Option<(i64, Vec<u8>)>,
}

/// What an order did.
enum Done {
    Started(HashSet<i64>),
    Abandoned(bool),
    Cleaned(u64),
    /// Nobody waits for it.
    Nothing,
}

impl Worker {
    pub(super) fn new(
        file: Arc<OpenedFile>,
        turn: Arc<Mutex<()>>,
        index: Arc<Index>,
        orders: Receiver<Order>,
    ) -> Self {
        Self {
            file,
            turn,
            index,
            orders,
            queue: VecDeque::new(),
            alone: 0,
            failed: None,
            noted: Some((0, Vec::new())),
        }
    }

    /// Writes until there can be no more orders, always on this connection: if the file or its log
    /// was removed, what is opened in its place is another one.
    pub(super) fn run(mut self, connection: &Connection) {
        loop {
            let Err(error) = self.write_until_failure(connection) else {
                return;
            };
            // What the database has is not known until it was read again.
            self.index.replace(None);
            if !connection.is_autocommit() {
                // If that fails too, the next transaction does not begin, and is told so.
                let _ = connection.execute_batch("ROLLBACK");
            }
            // It could not be read: that is told to one, and tried again for the next.
            if let Some(error) = error {
                if let Some((order, error)) = self.failed.take() {
                    order.fail(error);
                }
                match self.next() {
                    Ok(order) => order.fail(error),
                    Err(RecvError) => return,
                }
            }
        }
    }

    /// Until there can be no more orders. `Err(None)`: an order has failed.
    fn write_until_failure(&mut self, connection: &Connection) -> Result<(), Option<StoreError>> {
        let index = Arc::clone(&self.index);
        let mut log = Log::open(connection, &index).map_err(|error| Some(error.into()))?;
        if let Some((order, error)) = self.failed.take() {
            order.fail(error);
        }
        loop {
            if self.queue.is_empty() {
                match self.receive(&log) {
                    Ok(Some(order)) => self.queue.push_back(order),
                    Ok(None) => return Ok(()),
                    Err(error) => return Err(Some(error.into())),
                }
            }
            let group = self.group();
            match self.write(&mut log, &group) {
                Ok(done) => {
                    for (order, done) in group.into_iter().zip(done) {
                        order.succeed(done);
                    }
                }
                Err(error) => {
                    self.fail(group, error);
                    return Err(None);
                }
            }
            if log.is_full() {
                self.seal(&mut log).map_err(|error| Some(error.into()))?;
            }
        }
    }

    /// The next order; `None` if there can be no more. While nobody orders anything, the keys of
    /// earlier processes are noted.
    fn receive(&mut self, log: &Log<'_>) -> rusqlite::Result<Option<Order>> {
        while let Some(noted) = &self.noted {
            match self.orders.try_recv() {
                Ok(order) => return Ok(Some(order)),
                Err(TryRecvError::Disconnected) => return Ok(None),
                Err(TryRecvError::Empty) => {}
            }
            self.noted = log.note_older(noted, KEYS)?;
            if self.noted.is_none() {
                self.index.known.complete();
            }
        }
        Ok(self.orders.recv().ok())
    }

    fn next(&mut self) -> Result<Order, RecvError> {
        match self.queue.pop_front() {
            Some(order) => Ok(order),
            None => self.orders.recv(),
        }
    }

    /// What is written in one transaction.
    fn group(&mut self) -> Vec<Order> {
        if self.alone > 0 {
            self.alone -= 1;
            return self.queue.pop_front().into_iter().collect();
        }
        let mut group = Vec::new();
        let mut rows = 0;
        while rows < ROWS {
            let next = self.queue.pop_front();
            let Some(order) = next.or_else(|| self.orders.try_recv().ok()) else {
                break;
            };
            rows += order.rows();
            group.push(order);
        }
        group
    }

    fn fail(&mut self, mut group: Vec<Order>, error: StoreError) {
        if group.len() == 1 {
            self.failed = group.pop().map(|order| (order, error));
            return;
        }
        self.alone = group.len();
        for order in group.into_iter().rev() {
            self.queue.push_front(order);
        }
    }

    fn write(&self, log: &mut Log<'_>, group: &[Order]) -> Result<Vec<Done>, StoreError> {
        let _turn = self.turn();
        log.flush_commits(group.iter().any(Order::must_be_on_the_disk))?;
        log.begin()?;
        let now = Timestamp::now().as_millisecond();
        let done = group.iter().map(|order| order.execute(log, now));
        let done = done.collect::<rusqlite::Result<_>>()?;
        log.commit()?;
        self.file.check()?;
        Ok(done)
    }

    fn seal(&self, log: &mut Log<'_>) -> rusqlite::Result<()> {
        let _turn = self.turn();
        log.flush_commits(false)?;
        log.begin()?;
        log.seal()?;
        log.commit()?;
        log.sealed()
    }

    fn turn(&self) -> tokio::sync::OwnedMutexGuard<()> {
        let turn = || Arc::clone(&self.turn);
        turn()
            .try_lock_owned()
            .unwrap_or_else(|_| turn().blocking_lock_owned())
    }
}

impl Order {
    fn rows(&self) -> usize {
        match self {
            Self::Write { starts, ends, .. } => starts.len() + ends.len(),
            Self::Abandon { .. } => 1,
            Self::Clean { .. } => ROWS,
        }
    }

    /// A call that was sent and has no row any more would be sent again.
    fn must_be_on_the_disk(&self) -> bool {
        match self {
            Self::Write { starts, .. } => !starts.is_empty(),
            Self::Abandon { .. } => true,
            Self::Clean { .. } => false,
        }
    }

    fn execute(&self, log: &mut Log<'_>, now: i64) -> rusqlite::Result<Done> {
        match self {
            Self::Write { reply, .. } if reply.is_closed() => Ok(Done::Nothing),
            Self::Write {
                owner,
                lifetime,
                starts,
                ends,
                ..
            } => {
                let mut started = HashSet::with_capacity(starts.len());
                let times = (now, now.saturating_add(*lifetime));
                for start in starts {
                    if log.start(start, *owner, times)? {
                        started.insert(start.attempt);
                    }
                }
                for end in ends {
                    log.end(end, *owner)?;
                }
                Ok(Done::Started(started))
            }
            Self::Abandon { reply, .. } if reply.is_closed() => Ok(Done::Nothing),
            Self::Abandon { id, owner, .. } => log.abandon(id, *owner).map(Done::Abandoned),
            Self::Clean { reply, .. } if reply.is_closed() => Ok(Done::Nothing),
            Self::Clean { most, .. } => log.clean(now, *most).map(Done::Cleaned),
        }
    }

    /// Whoever ordered it may have left.
    fn succeed(self, done: Done) {
        match (self, done) {
            (Self::Write { reply, .. }, Done::Started(started)) => drop(reply.send(Ok(started))),
            (Self::Abandon { reply, .. }, Done::Abandoned(done)) => drop(reply.send(Ok(done))),
            (Self::Clean { reply, .. }, Done::Cleaned(rows)) => drop(reply.send(Ok(rows))),
            (Self::Write { .. } | Self::Abandon { .. } | Self::Clean { .. }, _) => {}
        }
    }

    fn fail(self, error: StoreError) {
        match self {
            Self::Write { reply, .. } => drop(reply.send(Err(error))),
            Self::Abandon { reply, .. } => drop(reply.send(Err(error))),
            Self::Clean { reply, .. } => drop(reply.send(Err(error))),
        }
    }
}

pub(super) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;
    use uuid::Uuid;

    use super::*;
    use crate::open::{Access, Store};
    use crate::record::{End, Id, Outcome, Start};
    use crate::sealing::{Key, Keyring};
    use crate::url::StoreUrl;

    fn id() -> Id {
        Id {
            tenant: bitrix24::TenantId::parse("acme").unwrap(),
            request: Uuid::new_v4(),
        }
    }

    fn order(starts: Vec<Start>, ends: Vec<End>) -> (Order, oneshot::Receiver<impl Sized>) {
        let (reply, done) = oneshot::channel();
        let order = Order::Write {
            owner: Uuid::nil(),
            lifetime: 1_000_000,
            starts,
            ends,
            reply,
        };
        (order, done)
    }

    fn start(id: &Id) -> Start {
        Start {
            id: id.clone(),
            fingerprint: [0; 32],
            attempt: 1,
            replaces: None,
        }
    }

    fn end(id: &Id) -> End {
        End {
            id: id.clone(),
            attempt: 1,
            outcome: Outcome::Unknown,
        }
    }

    #[tokio::test]
    async fn starts_are_flushed_to_the_disk_and_ends_alone_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let keyring = Keyring::from(Key::generate().unwrap());
        let url = StoreUrl::Sqlite(path.clone());
        drop(Store::open(&url, keyring, Access::Service).await.unwrap());
        let file = Arc::new(OpenedFile::of(&path).unwrap());
        let (_orders, received) = std::sync::mpsc::channel();
        let index = Arc::<Index>::default();
        let worker = Worker::new(file, Arc::default(), Arc::clone(&index), received);
        let connection = connect(&path).unwrap();
        let mut log = Log::open(&connection, &index).unwrap();
        // 2 is FULL, 1 is NORMAL.
        let level = || -> i64 {
            let level = connection.pragma_query_value(None, "synchronous", |row| row.get(0));
            level.unwrap()
        };
        assert_eq!(level(), 2);
        let (one, other) = (id(), id());
        for (starts, ends, expected) in [
            (vec![start(&one)], Vec::new(), 2),
            (Vec::new(), vec![end(&one)], 1),
            (vec![start(&other)], vec![end(&one)], 2),
            (Vec::new(), vec![end(&other)], 1),
            (vec![start(&id())], Vec::new(), 2),
        ] {
            let (order, _done) = order(starts, ends);
            worker.write(&mut log, &[order]).unwrap();
            assert_eq!(level(), expected);
        }
    }

    #[tokio::test]
    async fn what_nobody_waits_for_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let url = StoreUrl::Sqlite(folder.path().join("store.db"));
        let keyring = Keyring::from(Key::generate().unwrap());
        let store = Store::open(&url, keyring, Access::Service).await.unwrap();
        let path = folder.path().join("store.db");
        let writer = rusqlite::Connection::open(&path).unwrap();
        let (left, kept) = (id(), id());
        writer.execute_batch("BEGIN IMMEDIATE").unwrap();
        let write = |id: &Id| {
            let (store, starts) = (store.clone(), vec![start(id)]);
            let owner = Uuid::new_v4();
            let day = std::time::Duration::from_hours(24);
            tokio::spawn(async move { store.write_ledger(owner, day, starts, &[]).await })
        };
        // The first one holds up the second, which is given up.
        let first = write(&id());
        tokio::task::yield_now().await;
        let second = write(&left);
        tokio::task::yield_now().await;
        second.abort();
        assert!(second.await.unwrap_err().is_cancelled());
        writer.execute_batch("COMMIT").unwrap();
        assert_eq!(first.await.unwrap().unwrap().len(), 1);
        assert_eq!(write(&kept).await.unwrap().unwrap().len(), 1);
        assert_eq!(store.ledger_row(&left).await.unwrap(), None);
        assert!(store.ledger_row(&kept).await.unwrap().is_some());
    }
}
