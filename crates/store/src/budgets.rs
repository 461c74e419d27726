//! Rate limits that replicas share: the table `portal_budgets`.

#[cfg(feature = "simulation")]
mod simulated;

use std::time::Duration;

use sqlx::{Connection, Executor, PgConnection, Postgres};
use tokio::sync::SemaphorePermit;

use crate::error::StoreError;
use crate::open::Store;
use crate::pool::{Lent, Pool, Postgresql, in_time, milliseconds};

/// The portals' budgets in a database that several processes share. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Budgets {
    home: Home,
}

#[derive(Clone, Debug)]
enum Home {
    Postgresql(Postgresql),
    #[cfg(feature = "simulation")]
    Simulated(crate::weather::Line),
}

/// The stored budget of a portal.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredBudget {
    /// The portal.
    pub portal: String,
    /// Requests in the portal's bucket at `updated_at`.
    pub level: f64,
    /// When the row was written, by the database's clock, in milliseconds since 1970.
    pub updated_at: i64,
    /// The holders of permits, in JSON.
    pub leases: String,
    /// The newest reports of methods' operating times, in JSON.
    pub operating: String,
}

/// The longest time without a write. Far above any sensible value, so that sums cannot overflow.
const LONGEST: Duration = Duration::from_hours(10 * 365 * 24);

/// The columns of [`LOCK`].
type Locked = (String, f64, i64, String, String, i64);

/// A crash may lose the last changes of budgets. Not waiting for the flush releases the row locks
/// sooner.
const BEGIN: &str = "BEGIN; SET LOCAL synchronous_commit TO off";

/// Ordered by name, so that two transactions cannot deadlock.
const CREATE: &str = "INSERT INTO portal_budgets (portal, level, updated_at, leases, operating) \
     SELECT portal, 0, now_milliseconds, '{}', '{}' FROM UNNEST($1::TEXT[]) AS asked (portal), clock \
     ORDER BY portal COLLATE \"C\" ON CONFLICT (portal) DO NOTHING";

/// The time may be from before the wait for the locks, and so earlier than `updated_at`.
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
    /// The shared budgets; `None` for SQLite, which one process uses alone.
    pub fn budgets(&self) -> Option<Budgets> {
        let home = match &self.pool {
            #[cfg(feature = "simulation")]
            Pool::Sqlite(sqlite) if sqlite.line.is_some() => Home::Simulated(sqlite.line.clone()?),
            Pool::Sqlite(_) => return None,
            Pool::Postgresql(postgresql) => Home::Postgresql(postgresql.clone()),
        };
        Some(Budgets { home })
    }
}

impl Budgets {
    /// Changes the rows of these distinct portals in one transaction. Creates missing rows first.
    /// `change` also gets the time of the database's clock, in milliseconds since 1970, which may
    /// be slightly earlier than the row's time.
    ///
    /// If this future is dropped, all changes were made or none; a later exchange sees which.
    pub async fn exchange(
        &self,
        portals: &[String],
        mut change: impl FnMut(&mut StoredBudget, i64) + Send,
    ) -> Result<(), StoreError> {
        let exchange = async {
            let (_turn, mut lent) = match &self.home {
                Home::Postgresql(postgresql) => lend(postgresql).await?,
                #[cfg(feature = "simulation")]
                Home::Simulated(line) => {
                    return simulated::exchange(line, portals, &mut change).await;
                }
            };
            let exchanged = exchange(lent.connection(), portals, &mut change).await;
            lent.give_back();
            exchanged
        };
        in_time(exchange).await
    }

    /// Checks that the database responds.
    ///
    /// # Errors
    ///
    /// It does not.
    pub async fn probe(&self) -> Result<(), StoreError> {
        let probe = async {
            let (_turn, mut lent) = match &self.home {
                Home::Postgresql(postgresql) => lend(postgresql).await?,
                #[cfg(feature = "simulation")]
                Home::Simulated(line) => return line.change_budgets(|_, _| {}).await,
            };
            let probed = lent.connection().execute(NOW).await;
            lent.give_back();
            probed?;
            Ok(())
        };
        in_time(probe).await
    }

    /// Deletes the rows that were not written for this long and returns their number.
    pub async fn forget(&self, unused_for: Duration) -> Result<u64, StoreError> {
        let unused_for = milliseconds(unused_for, LONGEST);
        let forget = async {
            let (_turn, mut lent) = match &self.home {
                Home::Postgresql(postgresql) => lend(postgresql).await?,
                // Its runs are shorter than any such time.
                #[cfg(feature = "simulation")]
                Home::Simulated(_) => return Ok(0),
            };
            let forget = sqlx::query(FORGET).bind(unused_for);
            let forgotten = forget.execute(lent.connection()).await;
            lent.give_back();
            Ok(forgotten?.rows_affected())
        };
        in_time(forget).await
    }
}

/// Like `with_connection!`, for PostgreSQL only.
async fn lend(
    postgresql: &Postgresql,
) -> Result<(Option<SemaphorePermit<'_>>, Lent<Postgres>), StoreError> {
    // The semaphore is never closed.
    let turn = postgresql.turns.acquire().await.ok();
    let connection = postgresql.pool.acquire().await?;
    Ok((turn, Lent::new(connection)))
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
        // Without locks, because another replica may be creating the same rows.
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
