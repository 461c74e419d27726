//! Rate limits that replicas share: the table `portal_accounts`.
//!
//! A row is an account and the asks that came after it. An exchange appends one ask and returns the
//! row: one statement, whose locks end with it however far away its client is. Who asks computes
//! the account, and next time brings it along in place of the asks that it covers.

#[cfg(feature = "simulation")]
mod simulated;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Executor, PgConnection};

use crate::error::{StoreError, Unavailable};
use crate::open::Store;
use crate::pool::{Lent, Pool, Postgresql, in_time, milliseconds};

/// The portals' budgets in a database that several processes share. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Budgets {
    home: Home,
    /// The connection for exchanges, while none is in progress. They do not wait for a turn among
    /// other statements, and test no connection before they use it.
    idle: Arc<Mutex<Option<PgConnection>>>,
}

#[derive(Clone, Debug)]
enum Home {
    Postgresql(Postgresql),
    #[cfg(feature = "simulation")]
    Simulated(crate::weather::Line),
}

/// One portal's part of an exchange.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// The portal.
    pub portal: String,
    /// The ask, in JSON.
    pub ask: String,
    /// An account that was computed from an earlier exchange.
    pub known: Option<KnownAccount>,
}

/// An account after some asks.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownAccount {
    /// The number of the last of these asks.
    pub number: i64,
    /// The account, in JSON.
    pub account: String,
}

/// The stored budget of a portal, right after an ask was appended.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredBudget {
    /// The portal.
    pub portal: String,
    /// The account before the asks, in JSON; empty if there was none.
    pub account: String,
    /// The number of the last ask in `account`.
    pub number: i64,
    /// The asks since, in order, each with its time by the database's clock, in milliseconds since
    /// 1970. The last one is that of this exchange.
    pub asks: Vec<(i64, String)>,
}

/// The longest time without a write. Far above any sensible value, so that sums cannot overflow.
const LONGEST: Duration = Duration::from_hours(10 * 365 * 24);

/// The columns of [`EXCHANGE`].
type Columns = (String, String, i64, Vec<String>, Vec<i64>);

/// Limits for the server, so that statements whose client gave up do not pile up behind a lock.
const LIMITS: &str = "SET statement_timeout = '2s'; SET lock_timeout = '2s'; \
     SET idle_in_transaction_session_timeout = '10s'; \
     SET default_transaction_isolation = 'read committed'";

/// Rows are locked in the order of their names, so that two exchanges cannot deadlock. A row that
/// is new, or whose numbers have begun anew, takes no account that was computed from the old one.
///
/// A crash may lose the last exchanges; not waiting for the flush releases the locks sooner.
const EXCHANGE: &str = "WITH unflushed AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', TRUE)) \
     INSERT INTO portal_accounts AS stored (portal, account, number, asks, times, updated_at) \
     SELECT asked.portal, COALESCE(asked.account, ''), COALESCE(asked.number, now_milliseconds), ARRAY[asked.ask], \
     ARRAY[now_milliseconds], now_milliseconds \
     FROM UNNEST($1::TEXT[], $2::TEXT[], $3::BIGINT[], $4::TEXT[]) AS asked (portal, account, number, ask), \
     clock, unflushed ORDER BY asked.portal COLLATE \"C\" \
     ON CONFLICT (portal) DO UPDATE SET (account, number, asks, times, updated_at) = (SELECT \
     CASE WHEN covered IS NULL THEN stored.account ELSE excluded.account END, \
     stored.number + COALESCE(covered, 0), stored.asks[COALESCE(covered, 0) + 1:] || excluded.asks, \
     stored.times[COALESCE(covered, 0) + 1:] || now_milliseconds, now_milliseconds FROM (SELECT \
     CASE WHEN excluded.account <> '' \
     AND excluded.number BETWEEN stored.number AND stored.number + CARDINALITY(stored.asks) \
     THEN CAST(excluded.number - stored.number AS INT) END AS covered, \
     CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) AS now_milliseconds) AS locked) \
     RETURNING portal, account, number, asks, times";

const FORGET: &str = "DELETE FROM portal_accounts \
     WHERE updated_at < (SELECT now_milliseconds FROM clock) - $1";

impl Store {
    /// The shared budgets; `None` for SQLite, which one process uses alone.
    pub fn budgets(&self) -> Option<Budgets> {
        let home = match &self.pool {
            #[cfg(feature = "simulation")]
            Pool::Sqlite(sqlite) if sqlite.line.is_some() => Home::Simulated(sqlite.line.clone()?),
            Pool::Sqlite(_) => return None,
            Pool::Postgresql(postgresql) => Home::Postgresql(postgresql.clone()),
        };
        Some(Budgets {
            home,
            idle: Arc::default(),
        })
    }
}

impl Budgets {
    /// Appends these asks to the rows of their distinct portals, and returns the rows, in any
    /// order. Takes one round trip, or about eight more if there is no connection yet.
    ///
    /// If this future is dropped, the asks may be appended now, later, or not at all.
    ///
    /// # Errors
    ///
    /// The database failed. The asks may be appended all the same.
    pub async fn exchange(&self, asked: &[Asked]) -> Result<Vec<StoredBudget>, StoreError> {
        match &self.home {
            Home::Postgresql(postgresql) => self.exchange_with(postgresql, asked).await,
            #[cfg(feature = "simulation")]
            Home::Simulated(line) => simulated::exchange(line, asked).await,
        }
    }

    async fn exchange_with(
        &self,
        postgresql: &Postgresql,
        asked: &[Asked],
    ) -> Result<Vec<StoredBudget>, StoreError> {
        if let Some(connection) = self.take_idle() {
            match self.exchange_on(connection, asked).await {
                // The server has restarted since the last exchange.
                Err(StoreError::Unavailable(Unavailable::Connection(_))) => {}
                exchanged => return exchanged,
            }
        }
        let connection = open(postgresql).await?;
        self.exchange_on(connection, asked).await
    }

    /// Connects, unless there is a connection.
    ///
    /// # Errors
    ///
    /// The database does not let us.
    pub async fn connect(&self) -> Result<(), StoreError> {
        match &self.home {
            Home::Postgresql(postgresql) if !self.is_connected() => {
                let connection = open(postgresql).await?;
                self.keep(connection);
            }
            Home::Postgresql(_) => {}
            #[cfg(feature = "simulation")]
            Home::Simulated(line) => line.change_budgets(|_, _| {}).await?,
        }
        Ok(())
    }

    /// Whether there is a connection, as far as is known.
    pub fn is_connected(&self) -> bool {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.is_some()
    }

    /// Deletes the rows that were not written for this long and returns their number.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn forget(&self, unused_for: Duration) -> Result<u64, StoreError> {
        let unused_for = milliseconds(unused_for, LONGEST);
        match &self.home {
            Home::Postgresql(postgresql) => in_time(forget(postgresql, unused_for)).await,
            // Its runs are shorter than any such time.
            #[cfg(feature = "simulation")]
            Home::Simulated(_) => Ok(0),
        }
    }

    /// After an error the connection is closed: it may be to a server that is read-only by now.
    async fn exchange_on(
        &self,
        mut connection: PgConnection,
        asked: &[Asked],
    ) -> Result<Vec<StoredBudget>, StoreError> {
        let portals: Vec<&str> = asked.iter().map(|asked| asked.portal.as_str()).collect();
        let known = || asked.iter().map(|asked| asked.known.as_ref());
        let accounts: Vec<Option<&str>> = known()
            .map(|known| known.map(|known| known.account.as_str()))
            .collect();
        let numbers: Vec<Option<i64>> = known()
            .map(|known| known.map(|known| known.number))
            .collect();
        let asks: Vec<&str> = asked.iter().map(|asked| asked.ask.as_str()).collect();
        let exchange = sqlx::query_as(EXCHANGE).bind(portals).bind(accounts);
        let exchange = exchange.bind(numbers).bind(asks);
        let rows: Vec<Columns> = exchange.fetch_all(&mut connection).await?;
        self.keep(connection);
        let rows = rows.into_iter();
        let rows = rows.map(|(portal, account, number, asks, times)| StoredBudget {
            portal,
            account,
            number,
            asks: times.into_iter().zip(asks).collect(),
        });
        Ok(rows.collect())
    }

    fn take_idle(&self) -> Option<PgConnection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.take()
    }

    fn keep(&self, connection: PgConnection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        *idle = Some(connection);
    }
}

async fn open(postgresql: &Postgresql) -> Result<PgConnection, StoreError> {
    let options: Arc<PgConnectOptions> = postgresql.pool.connect_options();
    let mut connection = options.connect().await?;
    connection.execute(LIMITS).await?;
    Ok(connection)
}

async fn forget(postgresql: &Postgresql, unused_for: i64) -> Result<u64, StoreError> {
    // The semaphore is never closed.
    let _turn = postgresql.turns.acquire().await;
    let mut lent = Lent::new(postgresql.pool.acquire().await?);
    let forget = sqlx::query(FORGET).bind(unused_for);
    let forgotten = forget.execute(lent.connection()).await;
    lent.give_back();
    Ok(forgotten?.rows_affected())
}
