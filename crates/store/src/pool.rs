//! Connections to the database, and how one text serves both kinds of it.
//!
//! A method of the store is written once: [`with_connection!`] and [`with_transaction!`] repeat its statements for each
//! kind, because the database library has a type of connection for each.

use std::sync::Arc;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{Database, PgPool, SqlitePool};
use tokio::sync::Semaphore;

use super::error::StoreError;

/// How long one method may take, with the wait for a connection. Above the statement and lock limits of the server, so
/// that its own, better error comes first.
const OPERATION: Duration = Duration::from_secs(10);

/// The connections to one database.
#[derive(Clone, Debug)]
pub(super) enum Pool {
    Sqlite(Sqlite),
    Postgresql(Postgresql),
}

/// An SQLite file has one writer at a time: whoever waits for it waits here, in order, and not in the file's lock.
#[derive(Clone, Debug)]
pub(super) struct Sqlite {
    pub(super) writing: SqlitePool,
    pub(super) reading: SqlitePool,
}

#[derive(Clone, Debug)]
pub(super) struct Postgresql {
    pub(super) pool: PgPool,
    /// As many as there are connections. Whoever waits for its turn waits here, so that the pool's own limit is one for
    /// connecting only.
    pub(super) turns: Arc<Semaphore>,
    /// One. All writing transactions hold the counter of changes, so a second one of this process would only wait in the
    /// server, where the order is not that of coming.
    pub(super) writing: Arc<Semaphore>,
    /// One, for the ledger's transactions, which the counter does not concern.
    pub(super) ledger: Arc<Semaphore>,
}

/// A connection that goes back into the pool if what it was taken for came to its end, and is closed if that was left in
/// the middle: the other side may be silent, and the pool would wait for it without limit.
pub(super) struct Lent<DB: Database> {
    connection: PoolConnection<DB>,
    ended: bool,
}

impl<DB: Database> Lent<DB> {
    pub(super) fn new(connection: PoolConnection<DB>) -> Self {
        Self {
            connection,
            ended: false,
        }
    }

    pub(super) fn connection(&mut self) -> &mut DB::Connection {
        &mut self.connection
    }

    pub(super) fn give_back(mut self) {
        self.ended = true;
    }
}

impl<DB: Database> Drop for Lent<DB> {
    fn drop(&mut self) {
        if !self.ended {
            self.connection.close_on_drop();
        }
    }
}

/// Limits one method in time.
pub(super) fn in_time<T>(
    method: impl Future<Output = Result<T, StoreError>>,
) -> impl Future<Output = Result<T, StoreError>> {
    // Both kinds' statements make it large, too large to be part of every caller's future.
    let method = Box::pin(method);
    async {
        tokio::time::timeout(OPERATION, method)
            .await
            .unwrap_or_else(|_| Err(StoreError::timeout()))
    }
}

/// `with_connection!(pool, reading, connection => { statements })`: runs statements that end in a
/// `Result<_, StoreError>` on a connection for `reading` or `writing`.
macro_rules! with_connection {
    ($pool:expr, $purpose:ident, $connection:ident => $statements:block) => {
        $crate::pool::in_time(async {
            use $crate::pool::{Lent, Pool};
            match $pool {
                Pool::Sqlite(sqlite) => {
                    let mut lent = Lent::new(sqlite.$purpose.acquire().await?);
                    let $connection = lent.connection();
                    let done = async { $statements }.await;
                    lent.give_back();
                    done
                }
                Pool::Postgresql(postgresql) => {
                    // Nobody closes the semaphore. Without a turn the pool itself would make us wait.
                    let _turn = postgresql.turns.acquire().await;
                    let mut lent = Lent::new(postgresql.pool.acquire().await?);
                    let $connection = lent.connection();
                    let done = async { $statements }.await;
                    lent.give_back();
                    done
                }
            }
        })
    };
}

/// `with_transaction!(pool, transaction => { statements })`: the same in a writing transaction, which the statements
/// commit; otherwise nothing was changed. It is for what holds the counter of changes.
macro_rules! with_transaction {
    ($pool:expr, $transaction:ident => $statements:block) => {
        $crate::pool::in_transaction!($pool, writing, $transaction => $statements)
    };
}

/// The same for the ledger, which holds nothing that others wait for.
macro_rules! with_ledger_transaction {
    ($pool:expr, $transaction:ident => $statements:block) => {
        $crate::pool::in_transaction!($pool, ledger, $transaction => $statements)
    };
}

/// A transaction on PostgreSQL waits for a permit of `$queue` first, beside its turn.
macro_rules! in_transaction {
    ($pool:expr, $queue:ident, $transaction:ident => $statements:block) => {
        $crate::pool::in_time(async {
            use sqlx::Connection;
            use $crate::pool::{Lent, Pool};
            match $pool {
                Pool::Sqlite(sqlite) => {
                    let mut lent = Lent::new(sqlite.writing.acquire().await?);
                    let done = async {
                        // Takes the right to write at once: an upgrade in the middle fails without waiting.
                        let connection = lent.connection();
                        let mut $transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
                        $statements
                    }
                    .await;
                    lent.give_back();
                    done
                }
                Pool::Postgresql(postgresql) => {
                    let _queue = postgresql.$queue.acquire().await;
                    let _turn = postgresql.turns.acquire().await;
                    let mut lent = Lent::new(postgresql.pool.acquire().await?);
                    let done = async {
                        let connection = lent.connection();
                        let mut $transaction = connection.begin().await?;
                        $statements
                    }
                    .await;
                    lent.give_back();
                    done
                }
            }
        })
    };
}

pub(super) use in_transaction;
pub(super) use with_connection;
pub(super) use with_ledger_transaction;
pub(super) use with_transaction;
