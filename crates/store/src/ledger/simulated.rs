//! The ledger's statements for the database of a simulation, which several replicas share: those of
//! PostgreSQL in SQLite's words. Compiled only with the feature `simulation`.

use std::collections::HashSet;

use sqlx::{AssertSqlSafe, Connection, Executor, SqliteConnection};

use super::{End, Start, Writes};
use crate::error::StoreError;
use crate::pool::{Lent, Sqlite};

/// The numbers of rows per statement. Statements are padded with empty rows.
const WIDTHS: [usize; 9] = [1, 2, 4, 8, 16, 32, 64, 128, WIDEST];

const WIDEST: usize = 256;

/// As in PostgreSQL: see there. The `WHERE` skips the padding, too.
const START: (&str, &str) = (
    "WITH given (owner, lifetime) AS (VALUES (?, ?)), \
     asked (tenant, request, fingerprint, attempt, replaces) AS (VALUES ",
    ") INSERT INTO ledger (tenant_id, request_id, fingerprint, state, owner, attempt, started_at, expires_at) \
     SELECT asked.tenant, asked.request, asked.fingerprint, 'started', given.owner, asked.attempt, \
     now_milliseconds, now_milliseconds + given.lifetime FROM given, clock, asked \
     WHERE asked.tenant IS NOT NULL AND NOT EXISTS (SELECT 1 FROM ledger AS others \
     WHERE others.tenant_id = asked.tenant AND others.request_id = asked.request \
     AND others.expires_at > now_milliseconds AND (others.owner <> given.owner \
     OR others.attempt NOT IN (asked.attempt, COALESCE(asked.replaces, asked.attempt)))) \
     ON CONFLICT (tenant_id, request_id) DO UPDATE SET fingerprint = excluded.fingerprint, state = excluded.state, \
     answer = NULL, owner = excluded.owner, attempt = excluded.attempt, started_at = excluded.started_at, \
     expires_at = excluded.expires_at \
     WHERE ledger.expires_at <= excluded.started_at \
     OR (ledger.owner = excluded.owner AND ledger.attempt <= excluded.attempt AND ledger.state <> 'answered')",
);

const IS_STARTED: &str = "SELECT EXISTS (SELECT 1 FROM ledger WHERE tenant_id = ? AND request_id = ? \
     AND owner = ? AND attempt = ? AND state = 'started')";

const END: (&str, &str) = (
    "WITH given (owner) AS (VALUES (?)), \
     ended (tenant, request, attempt, state, answer, expires_at) AS (VALUES ",
    ") UPDATE ledger SET state = ended.state, answer = ended.answer, \
     expires_at = COALESCE(ended.expires_at, ledger.expires_at) FROM ended, given \
     WHERE ledger.tenant_id = ended.tenant AND ledger.request_id = ended.request \
     AND ledger.owner = given.owner AND ledger.attempt = ended.attempt",
);

/// Until the next `FULL` a commit is in the hands of the operating system when it returns, and not
/// on the disk: the end of a process loses nothing, a power cut may.
const RELAXED: &str = "PRAGMA synchronous = NORMAL";

const DURABLE: &str = "PRAGMA synchronous = FULL";

pub(super) async fn write(
    sqlite: &Sqlite,
    writes: &Writes<'_>,
) -> Result<HashSet<i64>, StoreError> {
    let mut lent = Lent::from(sqlite.writing.acquire().await?);
    let connection = lent.connection();
    let done = match (writes.starts, writes.ends) {
        ([], _) => {
            connection.execute(RELAXED).await?;
            let ended = in_transaction(connection, writes).await;
            // If it fails, the connection is closed: the next one is as all are.
            connection.execute(DURABLE).await?;
            ended
        }
        // One statement is a transaction.
        (starts, []) if starts.len() <= WIDEST => start(connection, writes).await,
        _ => in_transaction(connection, writes).await,
    };
    lent.give_back();
    sqlite.file.check()?;
    done
}

async fn in_transaction(
    connection: &mut SqliteConnection,
    writes: &Writes<'_>,
) -> Result<HashSet<i64>, StoreError> {
    if writes.starts.is_empty() && writes.ends.len() <= WIDEST {
        end(connection, writes).await?;
        return Ok(HashSet::new());
    }
    // Locks for writing at once: a later upgrade would fail without waiting.
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let started = start(&mut transaction, writes).await?;
    end(&mut transaction, writes).await?;
    transaction.commit().await?;
    Ok(started)
}

async fn start(
    connection: &mut SqliteConnection,
    writes: &Writes<'_>,
) -> Result<HashSet<i64>, StoreError> {
    let mut started = HashSet::with_capacity(writes.starts.len());
    for some in writes.starts.chunks(WIDEST) {
        let width = width(some.len());
        let statement = AssertSqlSafe(statement(START, width, 5));
        let query = sqlx::query(statement);
        let mut query = query.bind(writes.owner.to_string()).bind(writes.lifetime);
        for start in padded(some, width) {
            query = query
                .bind(start.map(|start: &Start| start.id.tenant.as_str()))
                .bind(start.map(|start| start.id.request.to_string()))
                .bind(start.map(|start| start.fingerprint.as_slice()))
                .bind(start.map(|start| start.attempt))
                .bind(start.and_then(|start| start.replaces));
        }
        // Rows that a statement returns come from SQLite's thread one by one.
        let written = query.execute(&mut *connection).await?.rows_affected();
        let are_all_written = usize::try_from(written) == Ok(some.len());
        for start in some {
            if are_all_written || is_started(connection, &writes.owner.to_string(), start).await? {
                started.insert(start.attempt);
            }
        }
    }
    Ok(started)
}

async fn is_started(
    connection: &mut SqliteConnection,
    owner: &str,
    start: &Start,
) -> Result<bool, StoreError> {
    let query = sqlx::query_scalar(IS_STARTED)
        .bind(start.id.tenant.as_str())
        .bind(start.id.request.to_string())
        .bind(owner)
        .bind(start.attempt);
    Ok(query.fetch_one(connection).await?)
}

async fn end(connection: &mut SqliteConnection, writes: &Writes<'_>) -> Result<(), StoreError> {
    for some in writes.ends.chunks(WIDEST) {
        let width = width(some.len());
        let statement = AssertSqlSafe(statement(END, width, 6));
        let mut query = sqlx::query(statement).bind(writes.owner.to_string());
        for end in padded(some, width) {
            let end: Option<&End> = end.copied();
            let columns = end.map(|end| end.outcome.columns());
            query = query
                .bind(end.map(|end| end.id.tenant.as_str()))
                .bind(end.map(|end| end.id.request.to_string()))
                .bind(end.map(|end| end.attempt))
                .bind(columns.map(|(state, _, _)| state))
                .bind(columns.and_then(|(_, answer, _)| answer))
                .bind(columns.and_then(|(_, _, expires_at)| expires_at));
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

/// So many, the last ones empty.
fn padded<T>(some: &[T], width: usize) -> impl Iterator<Item = Option<&T>> {
    let padding = std::iter::repeat(None);
    some.iter().map(Some).chain(padding).take(width)
}

/// The width of the statement for this many rows.
fn width(rows: usize) -> usize {
    let widths = WIDTHS.into_iter();
    widths
        .filter(|width| *width >= rows)
        .min()
        .unwrap_or(WIDEST)
}

/// A statement with this many rows of parameters.
fn statement((before, behind): (&str, &str), rows: usize, columns: usize) -> String {
    let row = format!("({})", vec!["?"; columns].join(", "));
    format!("{before}{}{behind}", vec![row.as_str(); rows].join(", "))
}
