//! The ledger: stored idempotency records, in the table `ledger`.
//!
//! A row belongs to the replica that wrote it (`owner`) and to one attempt of that replica. Attempt
//! numbers grow, so a late statement of an abandoned attempt cannot change the row of a later one.
//!
//! The ledger does not use the change counter: it is written with every call, and no replica caches
//! it.

use std::collections::HashSet;
use std::time::Duration;

use sqlx::AssertSqlSafe;
use uuid::Uuid;

use bitrix24::TenantId;

use crate::error::{StoreError, Unavailable};
use crate::open::Store;
use crate::pool::{milliseconds, with_connection, with_ledger_transaction};

/// Identifies a call.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    /// The tenant.
    pub tenant: TenantId,
    /// The idempotency key.
    pub request: Uuid,
}

/// A call that is about to be sent.
#[derive(Clone, Debug)]
pub struct Start {
    /// The call.
    pub id: Id,
    /// SHA-256 of the request.
    pub fingerprint: [u8; 32],
    /// The number of this replica's attempt.
    pub attempt: i64,
}

/// The end of an attempt.
#[derive(Clone, Debug)]
pub struct End {
    /// The call.
    pub id: Id,
    /// The number of this replica's attempt.
    pub attempt: i64,
    /// The outcome of the attempt.
    pub outcome: Outcome,
}

/// The outcome of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The portal's response, in JSON.
    Answered(String),
    /// It was sent, and its outcome is unknown.
    Unknown,
    /// It was not executed. The row expires at once.
    NotExecuted,
}

/// The ledger's record of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// SHA-256 of the request.
    pub fingerprint: [u8; 32],
    /// The state of the call.
    pub state: State,
}

/// The state of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It may be in flight.
    Started {
        /// The replica that sends it.
        owner: Uuid,
        /// Time since that replica's last heartbeat.
        silent_for: Duration,
    },
    /// The portal's response, in JSON.
    Answered(String),
    /// It was sent, and its outcome is unknown.
    Unknown,
}

/// The numbers of rows per statement. Statements are padded with empty rows, so that few are
/// prepared.
const WIDTHS: [usize; 5] = [1, 4, 16, 64, WIDEST];

const WIDEST: usize = 256;

/// How often a transaction is retried after a deadlock.
const RETRIES: u32 = 3;

/// The longest lifetime: ten years. Far above any sensible value, so that sums cannot overflow.
const LONGEST: Duration = Duration::from_hours(10 * 365 * 24);

const READ: &str = "SELECT fingerprint, state, answer, owner, now_milliseconds - COALESCE(\
     (SELECT seen_at FROM replicas WHERE id = ledger.owner AND seen_at > ledger.started_at), started_at) \
     FROM ledger, clock WHERE tenant_id = $1 AND request_id = $2 AND expires_at > now_milliseconds";

/// Writes rows that do not exist, have expired, or are this replica's own from an unfinished
/// attempt. The `WHERE` skips the padding and other replicas' rows: a conflict would lock such a
/// row, and two replicas that lock each other's rows are in a deadlock.
const START: (&str, &str) = (
    "INSERT INTO ledger (tenant_id, request_id, fingerprint, state, owner, attempt, started_at, expires_at) \
     SELECT asked.column1, asked.column2, asked.column3, 'started', $1, asked.column4, \
     now_milliseconds, now_milliseconds + $2 FROM (VALUES ",
    ") AS asked, clock WHERE asked.column1 IS NOT NULL AND NOT EXISTS (SELECT 1 FROM ledger AS others \
     WHERE others.tenant_id = asked.column1 AND others.request_id = asked.column2 \
     AND others.owner <> $1 AND others.expires_at > now_milliseconds) \
     ON CONFLICT (tenant_id, request_id) DO UPDATE SET fingerprint = excluded.fingerprint, state = excluded.state, \
     answer = NULL, owner = excluded.owner, attempt = excluded.attempt, started_at = excluded.started_at, \
     expires_at = excluded.expires_at \
     WHERE ledger.expires_at <= excluded.started_at \
     OR (ledger.owner = excluded.owner AND ledger.attempt <= excluded.attempt AND ledger.state <> 'answered') \
     RETURNING attempt",
);

/// Also writes rows that another replica abandoned meanwhile, because now the outcome is known.
const END: (&str, &str) = (
    "UPDATE ledger SET state = ended.column4, answer = ended.column5, \
     expires_at = COALESCE(ended.column6, ledger.expires_at) FROM (VALUES ",
    ") AS ended WHERE ledger.tenant_id = ended.column1 AND ledger.request_id = ended.column2 \
     AND ledger.owner = $1 AND ledger.attempt = ended.column3",
);

const ABANDON: &str = "UPDATE ledger SET state = 'unknown' \
     WHERE tenant_id = $1 AND request_id = $2 AND owner = $3 AND state = 'started' \
     AND started_at <= (SELECT now_milliseconds FROM clock) - $4 \
     AND NOT EXISTS (SELECT 1 FROM replicas \
     WHERE id = $3 AND seen_at > (SELECT now_milliseconds FROM clock) - $4)";

// The second condition is judged anew for a row that changed meanwhile: the call has started again.
const CLEAN: &str = "DELETE FROM ledger WHERE (tenant_id, request_id) IN \
     (SELECT tenant_id, request_id FROM ledger WHERE expires_at <= (SELECT now_milliseconds FROM clock) \
     ORDER BY expires_at LIMIT $1) AND expires_at <= (SELECT now_milliseconds FROM clock)";

/// Runs [`START`] for some calls and adds the attempts whose rows were written to `started`.
macro_rules! start {
    ($connection:expr, $owner:expr, $lifetime:expr, $starts:expr, $started:expr) => {
        for some in $starts.chunks(WIDEST) {
            let width = width(some.len());
            let statement = AssertSqlSafe(statement(START, 3, width, 4));
            let mut query = sqlx::query_scalar(statement).bind($owner).bind($lifetime);
            for start in some
                .iter()
                .map(Some)
                .chain(std::iter::repeat(None))
                .take(width)
            {
                query = query
                    .bind(start.map(|start| start.id.tenant.as_str()))
                    .bind(start.map(|start| start.id.request.to_string()))
                    .bind(start.map(|start| start.fingerprint.as_slice()))
                    .bind(start.map(|start| start.attempt));
            }
            let attempts: Vec<i64> = query.fetch_all(&mut *$connection).await?;
            $started.extend(attempts);
        }
    };
}

/// Runs [`END`] for some calls.
macro_rules! end {
    ($connection:expr, $owner:expr, $ends:expr) => {
        for some in $ends.chunks(WIDEST) {
            let width = width(some.len());
            let statement = AssertSqlSafe(statement(END, 2, width, 6));
            let mut query = sqlx::query(statement).bind($owner);
            for end in some
                .iter()
                .map(Some)
                .chain(std::iter::repeat(None))
                .take(width)
            {
                let columns = end.map(|end| end.outcome.columns());
                query = query
                    .bind(end.map(|end| end.id.tenant.as_str()))
                    .bind(end.map(|end| end.id.request.to_string()))
                    .bind(end.map(|end| end.attempt))
                    .bind(columns.map(|(state, _, _)| state))
                    .bind(columns.and_then(|(_, answer, _)| answer))
                    .bind(columns.and_then(|(_, _, expires_at)| expires_at));
            }
            query.execute(&mut *$connection).await?;
        }
    };
}

impl Store {
    /// Reads the record of a call; `None` if it does not exist or has expired.
    pub async fn ledger_row(&self, id: &Id) -> Result<Option<Row>, StoreError> {
        let read = with_connection!(&self.pool, reading, connection => {
            let query = sqlx::query_as(READ).bind(id.tenant.as_str()).bind(id.request.to_string());
            Ok(query.fetch_optional(connection).await?)
        });
        let row: Option<Columns> = self.pool.watch(read).await?;
        row.map(Row::read).transpose()
    }

    /// Records calls that `owner` is about to send, for this lifetime, and outcomes of its
    /// attempts, all or nothing. Returns the attempts that may be sent; other replicas own the
    /// rest.
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
        let starts = in_order(starts);
        let mut retries = 0;
        loop {
            let written = self.write(owner, lifetime, &starts, ends).await;
            match written {
                Err(error) if retries < RETRIES && is_deadlock(&error) => retries += 1,
                Ok(_) | Err(_) => return written,
            }
        }
    }

    async fn write(
        &self,
        owner: Uuid,
        lifetime: Duration,
        starts: &[Start],
        ends: &[&End],
    ) -> Result<HashSet<i64>, StoreError> {
        let owner = &owner.to_string();
        let lifetime = milliseconds(lifetime, LONGEST);
        let is_one_statement = (starts.is_empty() && ends.len() <= WIDEST)
            || (ends.is_empty() && starts.len() <= WIDEST);
        if is_one_statement {
            // One statement is a transaction, without the two round trips of BEGIN and COMMIT.
            let written = with_connection!(&self.pool, writing, connection => {
                let mut started = HashSet::new();
                start!(connection, owner, lifetime, starts, started);
                end!(connection, owner, ends);
                Ok(started)
            });
            return self.pool.watch(written).await;
        }
        let written = with_ledger_transaction!(&self.pool, transaction => {
            let mut started = HashSet::new();
            start!(transaction, owner, lifetime, starts, started);
            end!(transaction, owner, ends);
            transaction.commit().await?;
            Ok(started)
        });
        self.pool.watch(written).await
    }

    /// Sets a call to unknown if its owner had no heartbeat for this long. Returns false if the row
    /// has changed or the owner lives.
    pub async fn abandon(
        &self,
        id: &Id,
        owner: Uuid,
        silence: Duration,
    ) -> Result<bool, StoreError> {
        let abandoned = with_connection!(&self.pool, writing, connection => {
            let query = sqlx::query(ABANDON).bind(id.tenant.as_str()).bind(id.request.to_string());
            let query = query.bind(owner.to_string()).bind(milliseconds(silence, LONGEST));
            Ok(query.execute(connection).await?.rows_affected())
        });
        Ok(abandoned.await? > 0)
    }

    /// Deletes at most this many expired rows and returns their number.
    pub async fn clean_ledger(&self, most: u32) -> Result<u64, StoreError> {
        let cleaned = with_connection!(&self.pool, writing, connection => {
            Ok(sqlx::query(CLEAN).bind(i64::from(most)).execute(connection).await?.rows_affected())
        });
        cleaned.await
    }
}

/// The columns of [`READ`].
type Columns = (Vec<u8>, String, Option<String>, String, i64);

impl Row {
    fn read((fingerprint, state, answer, owner, silent_for): Columns) -> Result<Self, StoreError> {
        let corrupt = |what: &str| StoreError::Corrupt(format!("the {what} of a call"));
        let fingerprint = fingerprint.try_into().map_err(|_| corrupt("fingerprint"))?;
        let state = match (state.as_str(), answer) {
            ("started", _) => State::Started {
                owner: Uuid::parse_str(&owner).map_err(|_| corrupt("owner"))?,
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

/// The width of the statement for this many rows.
fn width(rows: usize) -> usize {
    let widths = WIDTHS.into_iter();
    widths
        .filter(|width| *width >= rows)
        .min()
        .unwrap_or(WIDEST)
}

/// A statement with this many rows of parameters, numbered from `first`.
fn statement((before, behind): (&str, &str), first: usize, rows: usize, columns: usize) -> String {
    let row = |row: usize| {
        let start = first + row * columns;
        let parameters: Vec<String> = (start..start + columns)
            .map(|parameter| format!("${parameter}"))
            .collect();
        format!("({})", parameters.join(", "))
    };
    let rows: Vec<String> = (0..rows).map(row).collect();
    format!("{before}{}{behind}", rows.join(", "))
}
