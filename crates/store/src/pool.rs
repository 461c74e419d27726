//! Connections to the database, and the macros that let one method serve both databases.
//!
//! [`with_connection!`] and [`with_transaction!`] expand a method's statements once for each
//! database, because sqlx has a connection type for each.

use std::sync::Arc;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{Database, PgPool, SqlitePool};
use tokio::sync::{Mutex, OwnedMutexGuard, Semaphore};

use crate::error::{StoreError, Unavailable};
use crate::log::Ledger;
use crate::opened_file::OpenedFile;
use crate::pulse::Pulse;
use crate::spares::{Spare, Spares};

/// Time limit of a method, including the wait for a connection. Above the server's statement and
/// lock timeouts, because the server's own error says more.
const OPERATION: Duration = Duration::from_secs(10);

/// The connections to one database.
#[derive(Clone, Debug)]
pub(crate) enum Pool {
    Sqlite(Sqlite),
    Postgresql(Postgresql),
}

/// An SQLite file has one writer at a time. Writers queue here in order, not at the file's lock.
#[derive(Clone, Debug)]
pub(crate) struct Sqlite {
    pub(crate) writing: Writing,
    pub(crate) reading: SqlitePool,
    /// `None` beside a running service, which has it.
    pub(crate) ledger: Option<Ledger>,
    /// Every method looks at it last: what it wrote is in the store only if it is there.
    pub(crate) file: Arc<OpenedFile>,
    /// What a simulation puts between a replica and the database.
    #[cfg(feature = "simulation")]
    pub(crate) line: Option<crate::weather::Line>,
}

/// The connection for all writes but those of the ledger, whose thread has one of its own.
#[derive(Clone, Debug)]
pub(crate) struct Writing {
    pub(crate) pool: SqlitePool,
    /// Who has it may write.
    pub(crate) turn: Arc<Mutex<()>>,
}

/// The connection for writing, and the turn to use it. The connection goes first.
pub(crate) struct Writer {
    connection: PoolConnection<sqlx::Sqlite>,
    turn: OwnedMutexGuard<()>,
}

#[derive(Clone, Debug)]
pub(crate) struct Postgresql {
    pub(crate) pool: PgPool,
    /// One permit per connection. Methods queue here, so the pool's timeout covers connecting only.
    pub(crate) turns: Arc<Semaphore>,
    /// One permit. Writing transactions lock the change counter, so a second one would only wait in
    /// the server, which does not keep the order of arrival.
    pub(crate) writing: Arc<Semaphore>,
    pub(crate) pulse: Pulse,
    pub(crate) spares: Spares,
}

impl Pool {
    /// Runs a method that callers wait for: it fails when the database answers nothing.
    pub(crate) async fn watch<T>(
        &self,
        method: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        match self {
            Self::Sqlite(_) => method.await,
            Self::Postgresql(postgresql) => postgresql.pulse.watch(method).await,
        }
    }
}

impl Postgresql {
    /// A connection for a statement of the ledger.
    pub(crate) async fn connection(&self) -> Result<Spare, StoreError> {
        self.spares.connection(&self.pool, &self.turns).await
    }
}

impl Sqlite {
    /// The writer of the ledger.
    pub(crate) fn ledger(&self) -> Result<&Ledger, StoreError> {
        let other = "the service that has the file writes its ledger";
        let ledger = self.ledger.as_ref();
        ledger.ok_or(StoreError::Unavailable(Unavailable::Other(other)))
    }
}

impl Writing {
    pub(crate) async fn acquire(&self) -> Result<Writer, StoreError> {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let connection = self.pool.acquire().await?;
        Ok(Writer { connection, turn })
    }
}

impl<DB: Database> From<PoolConnection<DB>> for Lent<DB> {
    fn from(connection: PoolConnection<DB>) -> Self {
        Self::new(connection)
    }
}

impl From<Writer> for Lent<sqlx::Sqlite> {
    fn from(Writer { connection, turn }: Writer) -> Self {
        let mut lent = Self::new(connection);
        lent._turn = Some(turn);
        lent
    }
}

/// A connection that returns to the pool when its statements are done. If they are cancelled, it is
/// closed instead: the server may be silent, and the pool would wait for it without limit.
pub(crate) struct Lent<DB: Database> {
    connection: PoolConnection<DB>,
    ended: bool,
    _turn: Option<OwnedMutexGuard<()>>,
}

impl<DB: Database> Lent<DB> {
    pub(crate) fn new(connection: PoolConnection<DB>) -> Self {
        Self {
            connection,
            ended: false,
            _turn: None,
        }
    }

    pub(crate) fn connection(&mut self) -> &mut DB::Connection {
        &mut self.connection
    }

    /// Unless the server takes no writes: after a failover the next connection leads to another
    /// one.
    pub(crate) fn give_back_after<T>(self, done: &Result<T, StoreError>) {
        if !done.as_ref().is_err_and(StoreError::is_read_only) {
            self.give_back();
        }
    }

    pub(crate) fn give_back(mut self) {
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

/// Applies the time limit to a method.
pub(crate) fn in_time<T>(
    method: impl Future<Output = Result<T, StoreError>>,
) -> impl Future<Output = Result<T, StoreError>> {
    // Boxed, because the statements for both databases make a large future.
    let method = Box::pin(method);
    async {
        tokio::time::timeout(OPERATION, method)
            .await
            .unwrap_or_else(|_| Err(StoreError::timeout()))
    }
}

/// What lies between a method and its statements: nothing.
#[cfg(not(feature = "simulation"))]
pub(crate) fn reach<Statements: Future>(
    _: &Pool,
    _: &'static str,
    statements: Statements,
) -> Statements {
    statements
}

/// What lies between a method and its statements: in a simulation the line of the replica.
#[cfg(feature = "simulation")]
pub(crate) async fn reach<T>(
    pool: &Pool,
    purpose: &'static str,
    statements: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    match pool {
        Pool::Sqlite(Sqlite {
            line: Some(line), ..
        }) => line.run(purpose, statements).await,
        Pool::Sqlite(_) | Pool::Postgresql(_) => statements.await,
    }
}

/// Whether a write that need not be on the disk yet is lost.
#[cfg(feature = "simulation")]
pub(crate) fn forgets(pool: &Pool) -> bool {
    match pool {
        Pool::Sqlite(sqlite) => {
            let line = sqlite.line.as_ref();
            line.is_some_and(|line| line.weather.forgets())
        }
        Pool::Postgresql(_) => false,
    }
}

/// `with_connection!(pool, reading, connection => { statements })` runs statements that end in a
/// `Result<_, StoreError>` on a connection for `reading` or `writing`.
macro_rules! with_connection {
    ($pool:expr, $purpose:ident, $connection:ident => $statements:block) => {
        $crate::pool::in_time($crate::pool::reach($pool, stringify!($purpose), async {
            use $crate::pool::{Lent, Pool};
            match $pool {
                Pool::Sqlite(sqlite) => {
                    let mut lent = Lent::from(sqlite.$purpose.acquire().await?);
                    let $connection = lent.connection();
                    let done = async { $statements }.await;
                    sqlite.file.heard(&done);
                    lent.give_back();
                    sqlite.file.check()?;
                    done
                }
                Pool::Postgresql(postgresql) => {
                    // The semaphore is never closed.
                    let _turn = postgresql.turns.acquire().await;
                    let mut lent = Lent::new(postgresql.pool.acquire().await?);
                    let $connection = lent.connection();
                    let done = async { $statements }.await;
                    lent.give_back_after(&done);
                    postgresql.pulse.heard(&done);
                    done
                }
            }
        }))
    };
}

/// `with_transaction!(pool, transaction => { statements })` does the same in a writing transaction,
/// which the statements commit. For transactions that lock the change counter: on PostgreSQL they
/// wait for a permit before they wait for a connection.
macro_rules! with_transaction {
    ($pool:expr, $transaction:ident => $statements:block) => {
        $crate::pool::in_time($crate::pool::reach($pool, "writing", async {
            use sqlx::Connection;
            use $crate::pool::{Lent, Pool};
            match $pool {
                Pool::Sqlite(sqlite) => {
                    let mut lent = Lent::from(sqlite.writing.acquire().await?);
                    let done = async {
                        // Locks for writing at once: a later upgrade would fail without waiting.
                        let connection = lent.connection();
                        let mut $transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
                        $statements
                    }
                    .await;
                    sqlite.file.heard(&done);
                    lent.give_back();
                    sqlite.file.check()?;
                    done
                }
                Pool::Postgresql(postgresql) => {
                    let _queue = postgresql.writing.acquire().await;
                    let _turn = postgresql.turns.acquire().await;
                    let mut lent = Lent::new(postgresql.pool.acquire().await?);
                    let done = async {
                        let connection = lent.connection();
                        let mut $transaction = connection.begin().await?;
                        $statements
                    }
                    .await;
                    lent.give_back_after(&done);
                    postgresql.pulse.heard(&done);
                    done
                }
            }
        }))
    };
}

/// A duration in the database's unit, at most `longest`, so that sums cannot overflow.
pub(crate) fn milliseconds(duration: Duration, longest: Duration) -> i64 {
    i64::try_from(duration.min(longest).as_millis()).unwrap_or(i64::MAX)
}

pub(crate) use with_connection;
pub(crate) use with_transaction;
