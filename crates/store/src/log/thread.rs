//! The thread that writes the ledger: what was ordered while it wrote is its next transaction.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::Mutex;

use super::BUSY;
use super::index::Index;
use super::order::{Done, Order, ROWS, Reply};
use super::statements::Log;
use crate::error::{StoreError, Unavailable};
use crate::opened_file::OpenedFile;

/// Keys of earlier processes that are noted at once, before the next orders.
const KEYS: u32 = 5_000;

/// When keys of earlier processes that could not be read are tried again.
const KEYS_AGAIN: Duration = Duration::from_mins(10);

/// When a file that could not be read is tried again, if nothing is ordered before.
const OPEN_AGAIN: Duration = Duration::from_secs(1);

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
    /// Who waits until the file was read for the first time.
    opened: Option<Reply<()>>,
    /// The last key of slices that was noted; `None` if all are.
    noted: Option<(i64, Vec<u8>)>,
    /// When the next ones are.
    noted_next: Instant,
}

impl Worker {
    pub(super) fn new(
        file: Arc<OpenedFile>,
        turn: Arc<Mutex<()>>,
        index: Arc<Index>,
        orders: Receiver<Order>,
        opened: Reply<()>,
    ) -> Self {
        Self {
            file,
            turn,
            index,
            orders,
            queue: VecDeque::new(),
            alone: 0,
            failed: None,
            opened: Some(opened),
            noted: Some((0, Vec::new())),
            noted_next: Instant::now(),
        }
    }

    /// Writes until there can be no more orders, always on this connection: if the file or its log
    /// was removed, what is opened in its place is another one. Ends before if the file could not
    /// be read at the start, or a flush has failed.
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
            if self.file.is_unflushed() {
                if let Some((order, error)) = self.failed.take() {
                    order.fail(error);
                }
                return;
            }
            if let Some(error) = error
                && !self.wait_after(error)
            {
                return;
            }
        }
    }

    /// The file could not be read: tells who waits for that. False if there can be no more orders.
    fn wait_after(&mut self, error: StoreError) -> bool {
        if let Some((order, error)) = self.failed.take() {
            order.fail(error);
        }
        if let Some(opened) = self.opened.take() {
            drop(opened.send(Err(error)));
            return false;
        }
        if let Some(order) = self.queue.pop_front() {
            order.fail(error);
            return true;
        }
        match self.orders.recv_timeout(OPEN_AGAIN) {
            Ok(order) => self.queue.push_back(order),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return false,
        }
        true
    }

    /// Until there can be no more orders. `Err(None)`: a transaction has failed, and the file is to
    /// be read again; with an error: it could not be read.
    fn write_until_failure(&mut self, connection: &Connection) -> Result<(), Option<StoreError>> {
        let index = Arc::clone(&self.index);
        let mut log = self.open(connection, &index)?;
        if let Some(opened) = self.opened.take() {
            drop(opened.send(Ok(())));
        }
        if let Some((order, error)) = self.failed.take() {
            order.fail(error);
        }
        loop {
            if self.queue.is_empty() {
                match self.receive(&log) {
                    Some(order) => self.queue.push_back(order),
                    None => return Ok(()),
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
                let sealed = self.seal(&mut log);
                let read = sealed.and_then(|()| Ok(log.read_latest(false)?));
                // No order has failed by that.
                read.map_err(|_| None)?;
            }
        }
    }

    fn open<'a>(
        &self,
        connection: &'a Connection,
        index: &'a Index,
    ) -> Result<Log<'a>, StoreError> {
        let mut log = Log::open(connection, index)?;
        // A file that was migrated or copied has them all behind the last slice.
        while log.is_full() {
            self.seal(&mut log)?;
        }
        log.read_latest(self.opened.is_some())?;
        Ok(log)
    }

    /// The next order; `None` if there can be no more. While nobody orders anything, the keys of
    /// earlier processes are noted.
    fn receive(&mut self, log: &Log<'_>) -> Option<Order> {
        while let Some(noted) = &self.noted {
            let wait = self.noted_next.saturating_duration_since(Instant::now());
            match self.orders.recv_timeout(wait) {
                Ok(order) => return Some(order),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => {}
            }
            match log.note_older(noted, KEYS) {
                Ok(noted) => self.noted = noted,
                // Until then each new key is looked for.
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, "the keys of the ledger cannot be read");
                    self.noted_next = Instant::now() + KEYS_AGAIN;
                }
            }
            if self.noted.is_none() {
                self.index.known.complete();
            }
        }
        self.orders.recv().ok()
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
        self.in_turn(|| {
            log.flush_commits(group.iter().any(Order::must_be_on_the_disk))?;
            log.begin()?;
            let now = Timestamp::now().as_millisecond();
            let done = group.iter().map(|order| order.execute(log, now));
            let done = done.collect::<rusqlite::Result<_>>()?;
            log.commit()?;
            self.file.check()?;
            Ok(done)
        })
    }

    fn seal(&self, log: &mut Log<'_>) -> Result<(), StoreError> {
        self.in_turn(|| {
            log.flush_commits(false)?;
            log.begin()?;
            log.seal()?;
            Ok(log.commit()?)
        })
    }

    /// Whoever wrote before may have learnt that the disk does not take what is flushed.
    fn in_turn<T>(&self, write: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        let _turn = self.turn();
        if self.file.is_unflushed() {
            let why = "a write to the disk has failed, and what is written after it may be lost";
            return Err(StoreError::Unavailable(Unavailable::Other(why)));
        }
        let done = write();
        self.file.heard(&done);
        done
    }

    fn turn(&self) -> tokio::sync::OwnedMutexGuard<()> {
        let turn = || Arc::clone(&self.turn);
        turn()
            .try_lock_owned()
            .unwrap_or_else(|_| turn().blocking_lock_owned())
    }
}

pub(super) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    // Rust's types say the same. The one with a list would build a table for each row, to look a
    // value up in it.
    connection.pragma_update(None, "ignore_check_constraints", true)?;
    Ok(connection)
}

#[cfg(test)]
mod tests;
