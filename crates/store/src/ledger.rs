//! The ledger: stored idempotency records, in the table `ledger`.
//!
//! A row belongs to the replica that wrote it (`owner`) and to one attempt of that replica. Attempt
//! numbers grow, so a late statement of an abandoned attempt cannot change the row of a later one.
//!
//! The ledger does not use the change counter: it is written with every call, and no replica caches
//! it.

mod file;
mod postgresql;
#[cfg(feature = "simulation")]
mod simulated;

use std::collections::HashSet;
use std::time::Duration;

use uuid::Uuid;

use crate::error::{StoreError, Unavailable};
use crate::open::Store;
use crate::pool::{Pool, Sqlite, in_time, milliseconds, reach, with_connection};
pub use crate::record::{End, Id, Outcome, Row, Start, State};
use crate::weekly_limits;

/// How often a transaction is retried after a deadlock.
const RETRIES: u32 = 3;

/// The longest lifetime: ten years. Far above any sensible value, so that sums cannot overflow.
const LONGEST: Duration = Duration::from_hours(10 * 365 * 24);

const READ: &str = "SELECT fingerprint, state, answer, owner, attempt, now_milliseconds - COALESCE(\
     (SELECT seen_at FROM replicas WHERE id = ledger.owner AND seen_at > ledger.started_at), started_at) \
     FROM ledger, clock WHERE tenant_id = $1 AND request_id = $2 AND expires_at > now_milliseconds";

const ABANDON: &str = "UPDATE ledger SET state = 'unknown' \
     WHERE tenant_id = $1 AND request_id = $2 AND owner = $3 AND state = 'started' \
     AND started_at <= (SELECT now_milliseconds FROM clock) - $4 \
     AND NOT EXISTS (SELECT 1 FROM replicas \
     WHERE id = $3 AND seen_at > (SELECT now_milliseconds FROM clock) - $4)";

// The second condition is judged anew for a row that changed meanwhile: the call has started again.
const CLEAN: &str = "DELETE FROM ledger WHERE (tenant_id, request_id) IN \
     (SELECT tenant_id, request_id FROM ledger WHERE expires_at <= (SELECT now_milliseconds FROM clock) \
     ORDER BY expires_at LIMIT $1) AND expires_at <= (SELECT now_milliseconds FROM clock)";

/// What one call of [`Store::write_ledger`] writes.
struct Writes<'a> {
    owner: Uuid,
    /// In milliseconds.
    lifetime: i64,
    starts: &'a [Start],
    ends: &'a [&'a End],
}

impl Store {
    /// Reads the record of a call; `None` if it does not exist or has expired.
    pub async fn ledger_row(&self, id: &Id) -> Result<Option<Row>, StoreError> {
        if let Some(sqlite) = self.file() {
            return in_time(file::row(sqlite, id)).await;
        }
        let read = with_connection!(&self.pool, reading, connection => {
            let query = sqlx::query_as(READ).bind(id.tenant.as_str()).bind(id.request.to_string());
            Ok(query.fetch_optional(connection).await?)
        });
        let row: Option<Columns> = self.pool.watch(read).await?;
        row.map(Row::read).transpose()
    }

    /// Reads the records of several calls, in PostgreSQL with one statement. One that cannot be
    /// read says nothing of the others.
    pub async fn ledger_rows(&self, ids: &[Id]) -> Result<Vec<ReadRow>, StoreError> {
        let (Pool::Postgresql(postgresql), [_, _, ..]) = (&self.pool, ids) else {
            let mut rows = Vec::with_capacity(ids.len());
            for id in ids {
                rows.push(self.ledger_row(id).await);
            }
            return Ok(rows);
        };
        let read = in_time(postgresql::read(postgresql, ids));
        self.pool.watch(read).await
    }

    /// Whether the store certainly has no record of a call. Never, if it would have to be asked.
    pub fn is_new_in_ledger(&self, id: &Id) -> bool {
        let ledger = self.file().and_then(|sqlite| sqlite.ledger.as_ref());
        ledger.is_some_and(|ledger| ledger.is_new(id))
    }

    /// Records calls that `owner` is about to send, for this lifetime, and then outcomes of its
    /// attempts. Returns the attempts that may be sent; their rows survive a power cut. The rest
    /// belongs to other replicas, or to other attempts.
    ///
    /// Outcomes without calls to start are not flushed to the disk on SQLite: the end of the
    /// process loses nothing, and a power cut may. Then their rows are started again.
    ///
    /// # Errors
    ///
    /// The database failed and may have written the rows. Retrying is safe.
    pub async fn write_ledger(
        &self,
        owner: Uuid,
        lifetime: Duration,
        starts: Vec<Start>,
        ends: &[&End],
    ) -> Result<HashSet<i64>, StoreError> {
        // In the order in which all replicas lock rows.
        let mut ends = ends.to_vec();
        ends.sort_by(|one, other| one.id.cmp(&other.id));
        let writes = Writes {
            owner,
            lifetime: milliseconds(lifetime, LONGEST),
            starts: &in_order(starts),
            ends: &ends,
        };
        let mut retries = 0;
        loop {
            let written = self.write(&writes).await;
            match written {
                Err(error) if retries < RETRIES && is_deadlock(&error) => retries += 1,
                Ok(_) | Err(_) => return written,
            }
        }
    }

    async fn write(&self, writes: &Writes<'_>) -> Result<HashSet<i64>, StoreError> {
        let written = in_time(reach(&self.pool, "ledger", async {
            #[cfg(feature = "simulation")]
            if writes.starts.is_empty() && crate::pool::forgets(&self.pool) {
                return Ok(HashSet::new());
            }
            match &self.pool {
                #[cfg(feature = "simulation")]
                Pool::Sqlite(sqlite) if sqlite.line.is_some() => {
                    simulated::write(sqlite, writes).await
                }
                Pool::Sqlite(sqlite) => {
                    let Writes {
                        owner,
                        lifetime,
                        starts,
                        ends,
                    } = writes;
                    let ends = ends.iter().copied().cloned().collect();
                    sqlite
                        .ledger()?
                        .write(*owner, *lifetime, starts.to_vec(), ends)
                        .await
                }
                Pool::Postgresql(postgresql) => postgresql::write(postgresql, writes).await,
            }
        }));
        self.pool.watch(written).await
    }

    /// The SQLite file, which this process alone writes; `None` if the store is shared.
    fn file(&self) -> Option<&Sqlite> {
        match &self.pool {
            #[cfg(feature = "simulation")]
            Pool::Sqlite(sqlite) if sqlite.line.is_some() => None,
            Pool::Sqlite(sqlite) => Some(sqlite),
            Pool::Postgresql(_) => None,
        }
    }

    /// Sets a call to unknown if its owner had no heartbeat for this long. Returns false if the row
    /// has changed or the owner lives.
    pub async fn abandon(
        &self,
        id: &Id,
        owner: Uuid,
        silence: Duration,
    ) -> Result<bool, StoreError> {
        if let Some(sqlite) = self.file() {
            return in_time(sqlite.ledger()?.abandon(id, owner)).await;
        }
        let abandoned = with_connection!(&self.pool, writing, connection => {
            let query = sqlx::query(ABANDON).bind(id.tenant.as_str()).bind(id.request.to_string());
            let query = query.bind(owner.to_string()).bind(milliseconds(silence, LONGEST));
            Ok(query.execute(connection).await?.rows_affected())
        });
        Ok(abandoned.await? > 0)
    }

    /// Completes when the thread that writes the ledger of an SQLite file has ended: by a panic, or
    /// because a flush to the disk has failed. Then no call with a key can be sent until another
    /// process opens the file.
    pub async fn ledger_ended(&self) {
        match self.file().and_then(|sqlite| sqlite.ledger.as_ref()) {
            Some(ledger) => ledger.ended().await,
            None => std::future::pending().await,
        }
    }

    /// Deletes at most this many expired rows, and as many of the weekly limits. Returns their
    /// number.
    pub async fn clean_ledger(&self, most: u32) -> Result<u64, StoreError> {
        let mut cleaned = 0;
        let mut statements = &[CLEAN, weekly_limits::CLEAN][..];
        if let Some(sqlite) = self.file() {
            cleaned += in_time(sqlite.ledger()?.clean(most)).await?;
            statements = &[weekly_limits::CLEAN];
        }
        let deleted = with_connection!(&self.pool, writing, connection => {
            let mut deleted = 0;
            for statement in statements {
                let query = sqlx::query(*statement).bind(i64::from(most));
                deleted += query.execute(&mut *connection).await?.rows_affected();
            }
            Ok(deleted)
        });
        Ok(cleaned + deleted.await?)
    }
}

/// The record of one call of several; `None` if it does not exist or has expired.
pub type ReadRow = Result<Option<Row>, StoreError>;

/// The columns of [`READ`].
type Columns = (Vec<u8>, String, Option<String>, String, i64, i64);

impl Row {
    fn read(columns: Columns) -> Result<Self, StoreError> {
        let (fingerprint, state, answer, owner, attempt, silent_for) = columns;
        let corrupt = |what: &str| StoreError::Corrupt(format!("the {what} of a call"));
        let fingerprint = fingerprint.try_into().map_err(|_| corrupt("fingerprint"))?;
        let state = match (state.as_str(), answer) {
            ("started", _) => State::Started {
                owner: Uuid::parse_str(&owner).map_err(|_| corrupt("owner"))?,
                attempt,
                // Negative if the clock was set back.
                silent_for: Duration::from_millis(silent_for.try_into().unwrap_or(0)),
            },
            ("answered", Some(answer)) => State::Answered(answer),
            ("unknown", _) => State::Unknown,
            _ => return Err(corrupt("state")),
        };
        Ok(Self { fingerprint, state })
    }
}

impl Outcome {
    /// State, response, and the expiry if it changes.
    fn columns(&self) -> (&'static str, Option<&str>, Option<i64>) {
        match self {
            Self::Answered(answer) => ("answered", Some(answer), None),
            Self::Unknown => ("unknown", None, None),
            Self::NotExecuted => ("started", None, Some(0)),
        }
    }
}

/// Whether PostgreSQL aborted the transaction because of a deadlock.
fn is_deadlock(error: &StoreError) -> bool {
    match error {
        StoreError::Unavailable(Unavailable::Refused { code, .. }) => code == "40P01",
        StoreError::Unavailable(_) | StoreError::Sealed { .. } | StoreError::Corrupt(_) => false,
    }
}

/// Sorts calls into the order in which all replicas lock rows, and removes duplicates: PostgreSQL
/// refuses to write a row twice in one statement.
fn in_order(mut starts: Vec<Start>) -> Vec<Start> {
    starts.sort_by(|one, other| {
        let attempts = other.attempt.cmp(&one.attempt);
        one.id.cmp(&other.id).then(attempts)
    });
    starts.dedup_by(|later, first| later.id == first.id);
    starts
}
