//! One of the two databases of a copy.

use std::fmt::Debug;
use std::time::Duration;

use sha2::{Digest, Sha256};
use sqlx::AssertSqlSafe;

use super::CopyError;
use super::rows::{Copied, Key};
use crate::error::{OpenError, StoreError};
use crate::pool::{Lent, Pool, with_connection, with_transaction};
use crate::url::StoreUrl;
use crate::{postgresql, sqlite};

/// The keys of a table without an index of them, in their order. It belongs to the connection for
/// writing, so all of a copy goes through that one.
const SORTED: &str = "temp.sorted";

/// For how long after its last heartbeat a service may still be running.
const RUNNING: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Side {
    /// The URL without its password.
    pub(super) name: String,
    pub(super) pool: Pool,
    /// The lock of an SQLite file: no service runs on it, and none can start.
    _lock: Option<Lock>,
}

/// Whatever holds it: it is released when this is dropped.
type Lock = Box<dyn Debug + Send + Sync>;

impl Side {
    pub(super) async fn source(url: &StoreUrl) -> Result<Self, OpenError> {
        let (pool, lock): (_, Option<Lock>) = match url {
            StoreUrl::Sqlite(path) => {
                // First: a lock creates its file, which must not stand beside nothing.
                let sqlite = sqlite::maintain(path).await?;
                (Pool::Sqlite(sqlite), Some(Box::new(sqlite::lock(path)?)))
            }
            StoreUrl::Postgresql(url) => (Pool::Postgresql(postgresql::maintain(url).await?), None),
        };
        Ok(Self::new(url, pool, lock))
    }

    /// With tables, if it had none.
    pub(super) async fn target(url: &StoreUrl) -> Result<Self, OpenError> {
        let (pool, lock): (_, Option<Lock>) = match url {
            StoreUrl::Sqlite(path) => {
                let (sqlite, lock) = sqlite::serve(path).await?;
                (Pool::Sqlite(sqlite), Some(Box::new(lock)))
            }
            StoreUrl::Postgresql(url) => (Pool::Postgresql(postgresql::serve(url).await?), None),
        };
        Ok(Self::new(url, pool, lock))
    }

    fn new(url: &StoreUrl, pool: Pool, lock: Option<Lock>) -> Self {
        Self {
            name: url.to_string(),
            pool,
            _lock: lock,
        }
    }

    /// Refuses a database on which services run. An SQLite file is locked anyway, and what its
    /// last process told stays there.
    pub(super) async fn is_free(&self) -> Result<(), CopyError> {
        let within = i64::try_from(RUNNING.as_millis()).unwrap_or(i64::MAX);
        if let Pool::Sqlite(_) = self.pool {
            return Ok(());
        }
        let found = with_connection!(&self.pool, reading, connection => {
            let query = sqlx::query_scalar(SERVING).bind(within);
            Ok(query.fetch_all(connection).await?)
        });
        let found: Vec<String> = found.await.map_err(|error| self.unread(error))?;
        if found.is_empty() {
            Ok(())
        } else {
            Err(CopyError::InUse(self.name.clone(), found.join(", ")))
        }
    }

    pub(super) fn unread(&self, error: StoreError) -> CopyError {
        CopyError::Read(self.name.clone(), error)
    }

    pub(super) fn unwritten(&self, error: StoreError) -> CopyError {
        CopyError::Write(self.name.clone(), error)
    }

    /// The database's clock, in milliseconds since 1970.
    pub(super) async fn now(&self) -> Result<i64, StoreError> {
        let now = with_connection!(&self.pool, reading, connection => {
            let query = sqlx::query_scalar("SELECT now_milliseconds FROM clock");
            Ok(query.fetch_one(connection).await?)
        });
        now.await
    }

    pub(super) async fn last_change(&self) -> Result<i64, StoreError> {
        let last = with_connection!(&self.pool, reading, connection => {
            let query = sqlx::query_scalar("SELECT last_change FROM change_counter");
            Ok(query.fetch_one(connection).await?)
        });
        last.await
    }

    pub(super) async fn set_last_change(&self, last: i64) -> Result<(), StoreError> {
        let set = with_connection!(&self.pool, writing, connection => {
            let query = sqlx::query("UPDATE change_counter SET last_change = $1").bind(last);
            query.execute(connection).await?;
            Ok(())
        });
        set.await
    }

    /// Counts the rows that had not expired at this time.
    pub(super) async fn count<T: Copied>(&self, at: i64) -> Result<u64, StoreError> {
        let statement = if self.is_sorted::<T>() {
            format!("SELECT COUNT(*) FROM {} WHERE {}", T::TABLE, T::live("$1"))
        } else {
            self.sort::<T>(Some(at)).await?;
            format!("SELECT COUNT(*) FROM {SORTED} WHERE $1 IS NOT NULL")
        };
        let counted = with_connection!(&self.pool, writing, connection => {
            let query = sqlx::query_scalar(AssertSqlSafe(statement)).bind(at);
            Ok(query.fetch_one(connection).await?)
        });
        let counted: i64 = counted.await?;
        Ok(u64::try_from(counted).unwrap_or_default())
    }

    fn is_sorted<T: Copied>(&self) -> bool {
        T::IS_SORTED || matches!(self.pool, Pool::Postgresql(_))
    }

    /// Sorts rows whose database does not have them in the order of their keys: those that had not
    /// expired at this time, or all. Pages and ranges see what was sorted last. Reading each page
    /// from all rows would take a time that grows with the square of their number.
    pub(super) async fn sort<T: Copied>(&self, at: Option<i64>) -> Result<(), StoreError> {
        let Pool::Sqlite(sqlite) = &self.pool else {
            return Ok(());
        };
        if T::IS_SORTED {
            return Ok(());
        }
        let keys = T::KEYS.join(", ");
        let live = T::live("$1");
        let sort = format!(
            "INSERT INTO {SORTED} SELECT {keys}, id FROM {} WHERE {live} ORDER BY {keys}, id",
            T::TABLE
        );
        let create = format!(
            "CREATE TABLE {SORTED} ({} TEXT NOT NULL, id INTEGER NOT NULL, PRIMARY KEY ({keys}, id)) WITHOUT ROWID",
            T::KEYS.join(" TEXT NOT NULL, "),
        );
        // Not limited in time: millions of calls take some seconds.
        let mut lent = Lent::from(sqlite.writing.acquire().await?);
        let sorted = async {
            let connection = lent.connection();
            for statement in [format!("DROP TABLE IF EXISTS {SORTED}"), create] {
                let query = sqlx::query(AssertSqlSafe(statement));
                query.execute(&mut *connection).await?;
            }
            let query = sqlx::query(AssertSqlSafe(sort)).bind(at.unwrap_or(i64::MIN));
            query.execute(connection).await?;
            Ok(())
        };
        let sorted = sorted.await;
        lent.give_back();
        sorted
    }

    /// The statement for the rows of a condition in the order of their keys, so many at most.
    fn select<T: Copied>(&self, condition: &str, most: Option<usize>) -> String {
        let (columns, table, keys) = (T::columns().join(", "), T::TABLE, T::KEYS.join(", "));
        let limit = most.map_or(String::new(), |most| format!("LIMIT {most}"));
        if self.is_sorted::<T>() {
            format!("SELECT {columns} FROM {table} WHERE {condition} ORDER BY {keys} {limit}")
        } else {
            let found = found(condition, &format!("ORDER BY {keys} {limit}"));
            format!("SELECT {columns} FROM {table} WHERE {found} ORDER BY {keys}")
        }
    }

    /// The next rows behind a key.
    pub(super) async fn page<T: Copied>(&self, after: &Key, at: i64) -> Result<Vec<T>, StoreError> {
        let live = if self.is_sorted::<T>() {
            T::live("$3")
        } else {
            "$3 IS NOT NULL".to_owned()
        };
        let behind = T::behind("$1", "$2");
        let statement = self.select::<T>(&format!("{behind} AND {live}"), Some(T::PAGE));
        let read = with_connection!(&self.pool, writing, connection => {
            let query = sqlx::query_as::<_, T>(AssertSqlSafe(statement));
            let query = query.bind(&after.0).bind(&after.1).bind(at);
            Ok(query.fetch_all(connection).await?)
        });
        read.await
    }

    /// All rows behind a key, up to another one and with it. Those that have expired, too: they may
    /// be in the way.
    pub(super) async fn range<T: Copied>(
        &self,
        after: &Key,
        last: Option<&Key>,
    ) -> Result<Vec<T>, StoreError> {
        let statement = self.select::<T>(&between::<T>(last), None);
        let read = with_connection!(&self.pool, writing, connection => {
            let query = sqlx::query_as::<_, T>(AssertSqlSafe(statement));
            let mut query = query.bind(&after.0).bind(&after.1);
            if let Some(last) = last {
                query = query.bind(&last.0).bind(&last.1);
            }
            Ok(query.fetch_all(connection).await?)
        });
        read.await
    }

    /// Puts these rows in the place of all between the two keys, if there are any.
    pub(super) async fn replace<T: Copied>(
        &self,
        after: &Key,
        last: Option<&Key>,
        has_others: bool,
        rows: Vec<T>,
    ) -> Result<(), StoreError> {
        let mut between = between::<T>(last);
        if !self.is_sorted::<T>() {
            between = found(&between, "");
        }
        let delete = format!("DELETE FROM {} WHERE {between}", T::TABLE);
        let insert = T::insert(rows.len(), matches!(self.pool, Pool::Postgresql(_)));
        let written = with_transaction!(&self.pool, transaction => {
            if has_others {
                let query = sqlx::query(AssertSqlSafe(delete));
                let mut query = query.bind(&after.0).bind(&after.1);
                if let Some(last) = last {
                    query = query.bind(&last.0).bind(&last.1);
                }
                query.execute(&mut *transaction).await?;
            }
            if !rows.is_empty() {
                let query = sqlx::query(AssertSqlSafe(insert));
                let query = rows.into_iter().fold(query, |query, row| row.bind_to(query));
                query.execute(&mut *transaction).await?;
            }
            transaction.commit().await?;
            Ok(())
        });
        written.await
    }

    /// The number of rows, and the digest of all of them.
    pub(super) async fn digest<T: Copied>(
        &self,
        at: i64,
        told: &mut impl FnMut(u64),
    ) -> Result<(u64, [u8; 32]), StoreError> {
        self.sort::<T>(Some(at)).await?;
        let (mut number, mut digest) = (0_u64, Sha256::new());
        let mut after = Key::default();
        loop {
            let rows = self.page::<T>(&after, at).await?;
            for row in &rows {
                digest.update(row.digest());
            }
            let some = u64::try_from(rows.len()).unwrap_or(u64::MAX);
            number += some;
            told(some);
            match rows.last().filter(|_| rows.len() == T::PAGE) {
                Some(last) => after = last.key(),
                None => return Ok((number, digest.finalize().into())),
            }
        }
    }
}

/// The condition that a row is behind the key in the first two parameters, and not behind another
/// one in the next two.
fn between<T: Copied>(last: Option<&Key>) -> String {
    let up_to = last.map_or("TRUE".to_owned(), |_| T::up_to("$3", "$4"));
    format!("{} AND {up_to}", T::behind("$1", "$2"))
}

/// The condition that a row is among the sorted ones of another condition.
fn found(condition: &str, order: &str) -> String {
    format!("id IN (SELECT id FROM {SORTED} WHERE {condition} {order})")
}

const SERVING: &str = "SELECT COALESCE(host, 'an unknown host') FROM replicas, clock \
     WHERE seen_at > now_milliseconds - $1 ORDER BY host";
