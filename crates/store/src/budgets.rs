//! The rows in which replicas share the budgets of portals.

use std::time::Duration;

use sqlx::{Connection, Executor, PgConnection, Postgres};
use tokio::sync::SemaphorePermit;

use super::Store;
use super::error::StoreError;
use super::pool::{Lent, Pool, Postgresql, in_time};

/// The budgets of portals in a database that several processes share. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Budgets {
    postgresql: Postgresql,
}

/// What is stored of one portal.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredBudget {
    /// Which portal.
    pub portal: String,
    /// Requests in its bucket at the time of `updated_at`.
    pub level: f64,
    /// When the row was written, in milliseconds since 1970 by the database's clock.
    pub updated_at: i64,
    /// Who holds permits, in JSON.
    pub leases: String,
    /// The newest reports of methods' operating time, in JSON.
    pub operating: String,
}

/// The columns of [`LOCK`].
type Locked = (String, f64, i64, String, String, i64);

/// The last moments of the budgets may be lost in a crash: they need no flush of the log, and so hold their rows for a
/// shorter time.
const BEGIN: &str = "BEGIN; SET LOCAL synchronous_commit TO off";

/// In the order of their names, so that no two transactions wait for each other.
const CREATE: &str = "INSERT INTO portal_budgets (portal, level, updated_at, leases, operating) \
     SELECT portal, 0, now_milliseconds, '{}', '{}' FROM UNNEST($1::TEXT[]) AS asked (portal), clock \
     ORDER BY portal COLLATE \"C\" ON CONFLICT (portal) DO NOTHING";

/// The time may be that before the wait for the locks, and so earlier than what another exchange has written meanwhile.
const LOCK: &str = "SELECT portal, level, updated_at, leases, operating, now_milliseconds \
     FROM portal_budgets, clock WHERE portal = ANY($1) ORDER BY portal FOR UPDATE OF portal_budgets";

const WRITE: &str = "UPDATE portal_budgets SET level = new.level, updated_at = new.updated_at, \
     leases = new.leases, operating = new.operating \
     FROM UNNEST($1::TEXT[], $2::FLOAT8[], $3::BIGINT[], $4::TEXT[], $5::TEXT[]) \
     AS new (portal, level, updated_at, leases, operating) WHERE portal_budgets.portal = new.portal";

const NOW: &str = "SELECT now_milliseconds FROM clock";

const FORGET: &str = "DELETE FROM portal_budgets \
     WHERE updated_at < (SELECT now_milliseconds FROM clock) - $1";

impl Store {
    /// The shared budgets. None in an SQLite file, which one process has for itself.
    pub fn budgets(&self) -> Option<Budgets> {
        match &self.pool {
            Pool::Sqlite(_) => None,
            Pool::Postgresql(postgresql) => Some(Budgets {
                postgresql: postgresql.clone(),
            }),
        }
    }
}

impl Budgets {
    /// Changes the rows of these portals, all different, each locked until all are written, and makes those that are missing.
    /// `change` also gets the time of the database's clock, in milliseconds since 1970; it may be somewhat earlier than that
    /// of the row.
    ///
    /// If this future is dropped, either all of it was done or nothing, and a later exchange sees which.
    ///
    /// # Errors
    ///
    /// The database.
    pub async fn exchange(
        &self,
        portals: &[String],
        mut change: impl FnMut(&mut StoredBudget, i64) + Send,
    ) -> Result<(), StoreError> {
        let exchange = async {
            let (_turn, mut lent) = self.lend().await?;
            let exchanged = exchange(lent.connection(), portals, &mut change).await;
            lent.give_back();
            exchanged
        };
        in_time(exchange).await
    }

    /// Whether the database answers.
    ///
    /// # Errors
    ///
    /// It does not.
    pub async fn probe(&self) -> Result<(), StoreError> {
        let probe = async {
            let (_turn, mut lent) = self.lend().await?;
            let probed = lent.connection().execute(NOW).await;
            lent.give_back();
            probed?;
            Ok(())
        };
        in_time(probe).await
    }

    /// Deletes the rows that nobody has written for this long, and says how many they were.
    ///
    /// # Errors
    ///
    /// The database.
    pub async fn forget(&self, unused_for: Duration) -> Result<u64, StoreError> {
        let unused_for = i64::try_from(unused_for.as_millis()).unwrap_or(i64::MAX / 2);
        let forget = async {
            let (_turn, mut lent) = self.lend().await?;
            let forget = sqlx::query(FORGET).bind(unused_for);
            let forgotten = forget.execute(lent.connection()).await;
            lent.give_back();
            Ok(forgotten?.rows_affected())
        };
        in_time(forget).await
    }

    /// As `with_connection!` does it, for the one kind of database that has this.
    async fn lend(&self) -> Result<(Option<SemaphorePermit<'_>>, Lent<Postgres>), StoreError> {
        // Nobody closes the semaphore.
        let turn = self.postgresql.turns.acquire().await.ok();
        let connection = self.postgresql.pool.acquire().await?;
        Ok((turn, Lent::new(connection)))
    }
}

async fn exchange(
    connection: &mut PgConnection,
    portals: &[String],
    change: &mut (impl FnMut(&mut StoredBudget, i64) + Send),
) -> Result<(), StoreError> {
    loop {
        let mut transaction = connection.begin_with(BEGIN).await?;
        let rows = sqlx::query_as(LOCK).bind(portals);
        let rows: Vec<Locked> = rows.fetch_all(&mut *transaction).await?;
        if rows.len() >= portals.len() {
            let rows =
                rows.into_iter()
                    .map(|(portal, level, updated_at, leases, operating, now)| {
                        let mut budget = StoredBudget {
                            portal,
                            level,
                            updated_at,
                            leases,
                            operating,
                        };
                        change(&mut budget, now);
                        budget
                    });
            let rows = rows.collect();
            write(&mut transaction, rows).await?;
            transaction.commit().await?;
            return Ok(());
        }
        // Not while we hold locks: somebody else may be about to create the same ones.
        transaction.rollback().await?;
        let create = sqlx::query(CREATE).bind(portals);
        create.execute(&mut *connection).await?;
    }
}

async fn write(connection: &mut PgConnection, rows: Vec<StoredBudget>) -> Result<(), StoreError> {
    let (mut portals, mut levels, mut times) = (Vec::new(), Vec::new(), Vec::new());
    let (mut leases, mut operating) = (Vec::new(), Vec::new());
    for row in rows {
        portals.push(row.portal);
        levels.push(row.level);
        times.push(row.updated_at);
        leases.push(row.leases);
        operating.push(row.operating);
    }
    let write = sqlx::query(WRITE).bind(portals).bind(levels).bind(times);
    let write = write.bind(leases).bind(operating);
    write.execute(connection).await?;
    Ok(())
}
