//! What is ordered of the ledger's thread.

use std::collections::HashSet;

use tokio::sync::oneshot;
use uuid::Uuid;

use super::statements::Log;
use crate::error::StoreError;
use crate::record::{End, Id, Start};

/// After this many rows no further order joins a transaction: each waits for all rows.
pub(super) const ROWS: usize = 256;

/// What the thread is to do. If nobody waits for the answer any more, it does nothing.
#[derive(Debug)]
pub(super) enum Order {
    Write {
        owner: Uuid,
        /// In milliseconds.
        lifetime: i64,
        starts: Vec<Start>,
        ends: Vec<End>,
        reply: Reply<HashSet<i64>>,
    },
    /// Sets a call to unknown.
    Abandon {
        id: Id,
        owner: Uuid,
        reply: Reply<bool>,
    },
    /// Deletes expired rows, at most so many.
    Clean { most: u32, reply: Reply<u64> },
}

pub(super) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// What an order did.
pub(super) enum Done {
    Started(HashSet<i64>),
    Abandoned(bool),
    Cleaned(u64),
    /// Nobody waits for it.
    Nothing,
}

impl Order {
    pub(super) fn rows(&self) -> usize {
        match self {
            Self::Write { starts, ends, .. } => starts.len() + ends.len(),
            Self::Abandon { .. } => 1,
            Self::Clean { .. } => ROWS,
        }
    }

    /// A call that was sent and has no row any more would be sent again.
    pub(super) fn must_be_on_the_disk(&self) -> bool {
        match self {
            Self::Write { starts, .. } => !starts.is_empty(),
            Self::Abandon { .. } => true,
            Self::Clean { .. } => false,
        }
    }

    pub(super) fn execute(&self, log: &mut Log<'_>, now: i64) -> rusqlite::Result<Done> {
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
    pub(super) fn succeed(self, done: Done) {
        match (self, done) {
            (Self::Write { reply, .. }, Done::Started(started)) => drop(reply.send(Ok(started))),
            (Self::Abandon { reply, .. }, Done::Abandoned(done)) => drop(reply.send(Ok(done))),
            (Self::Clean { reply, .. }, Done::Cleaned(rows)) => drop(reply.send(Ok(rows))),
            (Self::Write { .. } | Self::Abandon { .. } | Self::Clean { .. }, _) => {}
        }
    }

    pub(super) fn fail(self, error: StoreError) {
        match self {
            Self::Write { reply, .. } => drop(reply.send(Err(error))),
            Self::Abandon { reply, .. } => drop(reply.send(Err(error))),
            Self::Clean { reply, .. } => drop(reply.send(Err(error))),
        }
    }
}
