//! Connections that the ledger keeps from one statement to the next.
//!
//! A connection that goes back to the pool is asked there whether it still lives. That is a round
//! trip beside the one of the statement, and a task that waits for it. The ledger of a busy process
//! has its next statement at once.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{Executor, PgConnection, PgPool, Postgres, Row};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::error::StoreError;

/// The most that are kept, of the connections of a process.
const MOST: usize = 4;

/// After this time a connection goes through the pool, which replaces old ones.
const TURNOVER: Duration = Duration::from_secs(60);

/// After this time without a statement a connection is closed if another one was used meanwhile.
const UNUSED: Duration = Duration::from_secs(10);

/// Timeout for testing an idle connection. A connection that does not respond is replaced.
const PING: Duration = Duration::from_millis(500);

/// A connection that was used so recently is not tested: far away, a test costs as much as a
/// statement.
const FRESH: Duration = Duration::from_millis(500);

/// Connections that wait for a statement. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Spares(Arc<Kept>);

#[derive(Default)]
struct Kept(Mutex<Vec<Spare>>);

/// A connection for statements of the ledger.
pub(crate) struct Spare {
    connection: PoolConnection<Postgres>,
    /// It is not there for other methods.
    _turn: Option<OwnedSemaphorePermit>,
    taken: Instant,
    used: Instant,
}

/// A connection with a statement on it. It is closed if the statement is cancelled: the server may
/// be silent, and the pool would wait for it without limit.
pub(crate) struct Busy<'a> {
    spare: &'a mut Spare,
    has_ended: bool,
}

/// Whether the server responds on a connection, and takes writes: it may have become a standby.
/// sqlx's own test has no timeout.
pub(crate) async fn is_usable(
    connection: &mut PgConnection,
    idle_for: Duration,
) -> Result<bool, sqlx::Error> {
    if idle_for < FRESH {
        return Ok(true);
    }
    let asked = tokio::time::timeout(PING, connection.fetch_one("SHOW transaction_read_only"));
    let answer = asked.await.map_err(|_| sqlx::Error::PoolTimedOut)??;
    Ok(answer.try_get::<&str, _>(0)? == "off")
}

impl Spare {
    pub(crate) fn busy(&mut self) -> Busy<'_> {
        Busy {
            spare: self,
            has_ended: false,
        }
    }

    fn is_unused(&self) -> bool {
        self.used.elapsed() >= UNUSED
    }

    fn close(mut self) {
        self.connection.close_on_drop();
    }
}

impl Busy<'_> {
    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        &mut self.spare.connection
    }

    pub(crate) fn end(mut self) {
        self.has_ended = true;
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        if !self.has_ended {
            self.spare.connection.close_on_drop();
        }
    }
}

impl Spares {
    /// A connection that was kept and still lives, or one of the pool when it is its turn.
    pub(crate) async fn connection(
        &self,
        pool: &PgPool,
        turns: &Arc<Semaphore>,
    ) -> Result<Spare, StoreError> {
        while let Some(mut spare) = self.take() {
            let idle_for = spare.used.elapsed();
            let mut busy = spare.busy();
            if let Ok(true) = is_usable(busy.connection(), idle_for).await {
                busy.end();
                return Ok(spare);
            }
        }
        // The semaphore is never closed.
        let turn = Arc::clone(turns).acquire_owned().await.ok();
        let connection = pool.acquire().await?;
        let now = Instant::now();
        Ok(Spare {
            connection,
            _turn: turn,
            taken: now,
            used: now,
        })
    }

    /// The one that was used last. Others that were not needed for long are closed.
    fn take(&self) -> Option<Spare> {
        let mut kept = self.0.lock();
        let last = kept.pop();
        let unused: Vec<_> = kept.extract_if(.., |spare| spare.is_unused()).collect();
        drop(kept);
        unused.into_iter().for_each(Spare::close);
        last
    }

    /// Keeps a connection if its statement succeeded. After a failure all are closed: nobody knows
    /// which of them still live, the pool would ask without a time limit, and after a failover the
    /// next ones lead to another server.
    pub(crate) fn keep_after<T>(&self, mut spare: Spare, done: &Result<T, StoreError>) {
        if done.is_err() {
            let others = std::mem::take(&mut *self.0.lock());
            others.into_iter().for_each(Spare::close);
            spare.close();
            return;
        }
        spare.used = Instant::now();
        let mut kept = self.0.lock();
        if kept.len() < MOST && spare.taken.elapsed() < TURNOVER {
            kept.push(spare);
        }
    }
}

impl Kept {
    fn lock(&self) -> MutexGuard<'_, Vec<Spare>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        // Perhaps without a runtime, which the pool would need.
        for spare in self.lock().drain(..) {
            drop(spare.connection.detach());
        }
    }
}

impl fmt::Debug for Spares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Spares").field(&self.0.lock().len()).finish()
    }
}
