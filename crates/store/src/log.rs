//! The ledger in an SQLite file: a log that grows at its end, written by a thread of its own.
//!
//! Keys are random, so rows in the order of keys would each change a page of their own. Rows are
//! appended instead, and outcomes are appended to a second table. A key is looked for
//!
//! 1. in Bloom filters in memory ([`Known`]): nearly every key is new, and in none of them;
//! 2. in a map of the latest calls ([`Index`]);
//! 3. in the table `ledger_keys`. The thread moves the keys of a full map there, sorted, as one
//!    *slice*, which also grows at its end.
//!
//! A slice is deleted as a whole when all of its rows have expired.

mod index;
mod known;
mod order;
mod statements;
mod thread;

use std::collections::HashSet;
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{Mutex, oneshot, watch};
use uuid::Uuid;

pub(crate) use self::index::Found;
use self::index::Index;
use self::order::{Order, Reply};
use self::thread::Worker;
use crate::error::{OpenError, StoreError, Unavailable};
use crate::opened_file::OpenedFile;
use crate::record::{End, Id, Start};

/// How long a statement waits for another process, such as `openlines keys` or a backup.
pub(crate) const BUSY: Duration = Duration::from_secs(5);

/// The writer of a file's ledger. Cheap to clone; the last clone ends the thread.
#[derive(Clone, Debug)]
pub(crate) struct Ledger(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// `None` only while it ends.
    orders: Option<mpsc::Sender<Order>>,
    index: Arc<Index>,
    thread: Option<JoinHandle<()>>,
    /// Closed when the thread has ended, by a panic, too.
    running: watch::Receiver<()>,
}

impl Ledger {
    /// Starts the thread, and waits until it has read the file. It writes when it has `turn`, which
    /// all writers of the file take in their order, and holds the file's lock until it has ended.
    pub(crate) async fn start(
        path: &Path,
        file: Arc<OpenedFile>,
        turn: Arc<Mutex<()>>,
        lock: Arc<File>,
    ) -> Result<Self, OpenError> {
        let index = Arc::<Index>::default();
        let (orders, received) = mpsc::channel();
        let connection = thread::connect(path).map_err(StoreError::from)?;
        let (opened, is_open) = oneshot::channel();
        let worker = Worker::new(file, turn, Arc::clone(&index), received, opened);
        let (runs, running) = watch::channel(());
        let thread = std::thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || {
                worker.run(&connection);
                drop(connection);
                drop(lock);
                drop(runs);
            })
            .map_err(|_| StoreError::Unavailable(Unavailable::Other("no thread can be started")))?;
        let ledger = Self(Arc::new(Inner {
            orders: Some(orders),
            index,
            thread: Some(thread),
            running,
        }));
        is_open.await.map_err(|_| ended())??;
        Ok(ledger)
    }

    /// Whether there is certainly no row.
    pub(crate) fn is_new(&self, id: &Id) -> bool {
        self.0.index.known.is_new(&id.request)
    }

    /// Where the row of a call is.
    pub(crate) fn find(&self, id: &Id) -> Found {
        self.0.index.find(id)
    }

    pub(crate) async fn write(
        &self,
        owner: Uuid,
        lifetime: i64,
        starts: Vec<Start>,
        ends: Vec<End>,
    ) -> Result<HashSet<i64>, StoreError> {
        self.order(|reply| Order::Write {
            owner,
            lifetime,
            starts,
            ends,
            reply,
        })
        .await
    }

    pub(crate) async fn abandon(&self, id: &Id, owner: Uuid) -> Result<bool, StoreError> {
        let id = id.clone();
        self.order(|reply| Order::Abandon { id, owner, reply })
            .await
    }

    pub(crate) async fn clean(&self, most: u32) -> Result<u64, StoreError> {
        self.order(|reply| Order::Clean { most, reply }).await
    }

    /// Completes when the thread has ended, although it is needed.
    pub(crate) async fn ended(&self) {
        let mut running = self.0.running.clone();
        while running.changed().await.is_ok() {}
    }

    async fn order<T>(&self, order: impl FnOnce(Reply<T>) -> Order) -> Result<T, StoreError> {
        let (reply, done) = oneshot::channel();
        let orders = self.0.orders.as_ref().ok_or_else(ended)?;
        orders.send(order(reply)).map_err(|_| ended())?;
        done.await.map_err(|_| ended())?
    }
}

fn ended() -> StoreError {
    StoreError::Unavailable(Unavailable::Other("the ledger's thread ended"))
}

/// Waits for the thread: the file is free when the store is dropped.
impl Drop for Inner {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // A panic was told by the hook.
            let _ = thread.join();
        }
    }
}
