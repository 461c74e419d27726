//! What became of the calls with an idempotency key, as the store keeps it: the table `ledger`.
//!
//! A row belongs to the replica that wrote it (`owner`), and to one attempt of that replica. Attempts are numbered upwards, so that a
//! statement that comes late, from an attempt that was given up, changes nothing that a later one wrote.
//!
//! Nothing here takes the counter of changes: the ledger is written with every call, and no replica keeps a copy of it.

use std::collections::HashSet;
use std::time::Duration;

use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::Store;
use super::error::{StoreError, Unavailable};
use super::pool::{with_connection, with_ledger_transaction};
use bitrix24::TenantId;

/// Which call.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    /// For which tenant.
    pub tenant: TenantId,
    /// The idempotency key.
    pub request: Uuid,
}

/// A call that is about to be sent.
#[derive(Clone, Debug)]
pub struct Start {
    /// Which.
    pub id: Id,
    /// SHA-256 of what is asked for.
    pub fingerprint: [u8; 32],
    /// Which attempt of this replica.
    pub attempt: i64,
}

/// A call that was sent, or was about to be.
#[derive(Clone, Debug)]
pub struct End {
    /// Which.
    pub id: Id,
    /// Which attempt of this replica.
    pub attempt: i64,
    /// What became of it.
    pub fate: Fate,
}

/// What became of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The portal answered: the answer in JSON.
    Answered(String),
    /// It left and nobody knows.
    Unknown,
    /// It was not executed: the row counts as deleted.
    NotExecuted,
}

/// A call as the ledger has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// SHA-256 of what was asked for.
    pub fingerprint: [u8; 32],
    /// What is known of it.
    pub state: State,
}

/// What is known of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It may be on its way.
    Started {
        /// The replica that sends it.
        owner: Uuid,
        /// How long that replica has given no sign of life.
        silent_for: Duration,
    },
    /// The portal answered: the answer in JSON.
    Answered(String),
    /// It left and nobody knows.
    Unknown,
}

/// Numbers of rows that a statement takes. It is filled up with empty ones, so that there are few statements to prepare.
const WIDTHS: [usize; 5] = [1, 4, 16, 64, WIDEST];

const WIDEST: usize = 256;

/// How often a transaction is repeated that waited in a circle with another replica's.
const REPEATS: u32 = 3;

/// The longest lifetime in milliseconds: ten years, above anything that makes sense, so that no sum overflows.
const LONGEST: i64 = 315_360_000_000;

const READ: &str = "SELECT fingerprint, state, answer, owner, now_milliseconds - COALESCE(\
     (SELECT seen_at FROM replicas WHERE id = ledger.owner AND seen_at > ledger.started_at), started_at) \
     FROM ledger, clock WHERE tenant_id = $1 AND request_id = $2 AND expires_at > now_milliseconds";

/// Writes rows that are not there, or have expired, or are this replica's own from an attempt that did not get to the portal. The
/// `WHERE` leaves out the filling, and what is certainly somebody else's: a conflict would lock their row, and two replicas that lock
/// each other's rows wait in a circle.
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

/// A row that others have given up meanwhile is written all the same: now it is known.
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

const CLEAN: &str = "DELETE FROM ledger WHERE (tenant_id, request_id) IN \
     (SELECT tenant_id, request_id FROM ledger WHERE expires_at <= (SELECT now_milliseconds FROM clock) \
     ORDER BY expires_at LIMIT $1)";

/// Runs [`START`] for some calls, and adds the attempts whose rows were written to `started`.
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
                let columns = end.map(|end| end.fate.columns());
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
    /// What the ledger has of a call; none if it has nothing, or nothing any more.
    ///
    /// # Errors
    ///
    /// The database.
    pub async fn ledger_row(&self, id: &Id) -> Result<Option<Row>, StoreError> {
        let read = with_connection!(&self.pool, reading, connection => {
            let query = sqlx::query_as(READ).bind(id.tenant.as_str()).bind(id.request.to_string());
            Ok(query.fetch_optional(connection).await?)
        });
        let row: Option<Columns> = read.await?;
        row.map(Row::read).transpose()
    }

    /// Writes what `owner` is about to send, for this lifetime, and what became of what it sent: all of it or nothing. Returns the
    /// attempts that may be sent: the others' calls are somebody else's.
    ///
    /// # Errors
    ///
    /// The database. Whether something was written is not known then; to write it again does no harm.
    pub async fn write_ledger(
        &self,
        owner: Uuid,
        lifetime: Duration,
        starts: Vec<Start>,
        ends: &[&End],
    ) -> Result<HashSet<i64>, StoreError> {
        let starts = in_order(starts);
        let mut repeats = 0;
        loop {
            let written = self.write(owner, lifetime, &starts, ends).await;
            match written {
                Err(error) if repeats < REPEATS && is_circle(&error) => repeats += 1,
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
        let lifetime = milliseconds(lifetime);
        let is_one_statement = (starts.is_empty() && ends.len() <= WIDEST)
            || (ends.is_empty() && starts.len() <= WIDEST);
        if is_one_statement {
            // Its own transaction, without the two ways to the database and back that a declared one costs.
            let written = with_connection!(&self.pool, writing, connection => {
                let mut started = HashSet::new();
                start!(connection, owner, lifetime, starts, started);
                end!(connection, owner, ends);
                Ok(started)
            });
            return written.await;
        }
        let written = with_ledger_transaction!(&self.pool, transaction => {
            let mut started = HashSet::new();
            start!(transaction, owner, lifetime, starts, started);
            end!(transaction, owner, ends);
            transaction.commit().await?;
            Ok(started)
        });
        written.await
    }

    /// Gives up a call whose owner has given no sign of life for this long. False if it is otherwise by now.
    ///
    /// # Errors
    ///
    /// The database.
    pub async fn abandon(
        &self,
        id: &Id,
        owner: Uuid,
        silence: Duration,
    ) -> Result<bool, StoreError> {
        let abandoned = with_connection!(&self.pool, writing, connection => {
            let query = sqlx::query(ABANDON).bind(id.tenant.as_str()).bind(id.request.to_string());
            let query = query.bind(owner.to_string()).bind(milliseconds(silence));
            Ok(query.execute(connection).await?.rows_affected())
        });
        Ok(abandoned.await? > 0)
    }

    /// Deletes rows that have expired, at most this many, and returns how many there were.
    ///
    /// # Errors
    ///
    /// The database.
    pub async fn clean_ledger(&self, most: u32) -> Result<u64, StoreError> {
        let cleaned = with_connection!(&self.pool, writing, connection => {
            Ok(sqlx::query(CLEAN).bind(i64::from(most)).execute(connection).await?.rows_affected())
        });
        cleaned.await
    }
}

/// What [`READ`] selects.
type Columns = (Vec<u8>, String, Option<String>, String, i64);

impl Row {
    fn read((fingerprint, state, answer, owner, silent_for): Columns) -> Result<Self, StoreError> {
        let corrupt = |what: &str| StoreError::Corrupt(format!("the {what} of a call"));
        let fingerprint = fingerprint.try_into().map_err(|_| corrupt("fingerprint"))?;
        let state = match (state.as_str(), answer) {
            ("started", _) => State::Started {
                owner: Uuid::parse_str(&owner).map_err(|_| corrupt("owner"))?,
                // A clock that was set back has seen the owner in the future.
                silent_for: Duration::from_millis(silent_for.try_into().unwrap_or(0)),
            },
            ("answered", Some(answer)) => State::Answered(answer),
            ("unknown", _) => State::Unknown,
            _ => return Err(corrupt("state")),
        };
        Ok(Self { fingerprint, state })
    }
}

impl Fate {
    /// State, answer, and the time of expiry if it changes.
    fn columns(&self) -> (&'static str, Option<&str>, Option<i64>) {
        match self {
            Self::Answered(answer) => ("answered", Some(answer), None),
            Self::Unknown => ("unknown", None, None),
            Self::NotExecuted => ("started", None, Some(0)),
        }
    }
}

/// Whether PostgreSQL has ended a transaction because it and another one waited for each other.
fn is_circle(error: &StoreError) -> bool {
    match error {
        StoreError::Unavailable(Unavailable::Refused { code, .. }) => code == "40P01",
        StoreError::Unavailable(_) | StoreError::Sealed { .. } | StoreError::Corrupt(_) => false,
    }
}

/// In the order in which all replicas lock rows, and each call once: PostgreSQL refuses to write a row twice in one statement.
fn in_order(mut starts: Vec<Start>) -> Vec<Start> {
    starts.sort_by(|one, other| {
        let attempts = other.attempt.cmp(&one.attempt);
        one.id.cmp(&other.id).then(attempts)
    });
    starts.dedup_by(|later, first| later.id == first.id);
    starts
}

/// The number of rows of the statement that takes this many.
fn width(rows: usize) -> usize {
    let widths = WIDTHS.into_iter();
    widths
        .filter(|width| *width >= rows)
        .min()
        .unwrap_or(WIDEST)
}

/// A statement with this many rows of parameters, which are numbered from `first`.
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

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).map_or(LONGEST, |duration| duration.min(LONGEST))
}
