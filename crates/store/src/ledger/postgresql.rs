//! The ledger's statements for PostgreSQL: one for any number of rows, each a transaction of its
//! own, so that it takes one round trip.

use std::collections::HashSet;

use super::{Id, ReadRow, Row, Writes};
use crate::error::StoreError;
use crate::pool::Postgresql;

const READ: &str = "SELECT asked.number, fingerprint, state, answer, owner, attempt, \
     now_milliseconds - COALESCE((SELECT seen_at FROM replicas \
     WHERE id = ledger.owner AND seen_at > ledger.started_at), started_at) \
     FROM UNNEST($1::TEXT[], $2::TEXT[]) WITH ORDINALITY AS asked (tenant, request, number), ledger, clock \
     WHERE tenant_id = asked.tenant AND request_id = asked.request AND expires_at > now_milliseconds";

/// Writes rows that do not exist or have expired, or are this replica's own of the same attempt or
/// of one that it replaces. The `WHERE` skips all others: a conflict would lock such a row, and two
/// replicas that lock each other's rows are in a deadlock.
const START: &str = "INSERT INTO ledger \
     (tenant_id, request_id, fingerprint, state, owner, attempt, started_at, expires_at) \
     SELECT asked.tenant, asked.request, asked.fingerprint, 'started', $1, asked.attempt, \
     now_milliseconds, now_milliseconds + $2 \
     FROM UNNEST($3::TEXT[], $4::TEXT[], $5::BYTEA[], $6::BIGINT[], $7::BIGINT[]) \
     AS asked (tenant, request, fingerprint, attempt, replaces), clock \
     WHERE NOT EXISTS (SELECT 1 FROM ledger AS others \
     WHERE others.tenant_id = asked.tenant AND others.request_id = asked.request \
     AND others.expires_at > now_milliseconds AND (others.owner <> $1 \
     OR others.attempt NOT IN (asked.attempt, COALESCE(asked.replaces, asked.attempt)))) \
     ON CONFLICT (tenant_id, request_id) DO UPDATE SET fingerprint = excluded.fingerprint, state = excluded.state, \
     answer = NULL, owner = excluded.owner, attempt = excluded.attempt, started_at = excluded.started_at, \
     expires_at = excluded.expires_at \
     WHERE ledger.expires_at <= excluded.started_at \
     OR (ledger.owner = excluded.owner AND ledger.attempt <= excluded.attempt AND ledger.state <> 'answered') \
     RETURNING attempt";

/// Also writes rows that another replica abandoned meanwhile, because now the outcome is known.
const END: &str = "UPDATE ledger SET state = ended.state, answer = ended.answer, \
     expires_at = COALESCE(ended.expires_at, ledger.expires_at) \
     FROM UNNEST($2::TEXT[], $3::TEXT[], $4::BIGINT[], $5::TEXT[], $6::TEXT[], $7::BIGINT[]) \
     AS ended (tenant, request, attempt, state, answer, expires_at) \
     WHERE ledger.tenant_id = ended.tenant AND ledger.request_id = ended.request \
     AND ledger.owner = $1 AND ledger.attempt = ended.attempt";

pub(super) async fn read(postgresql: &Postgresql, ids: &[Id]) -> Result<Vec<ReadRow>, StoreError> {
    let tenants: Vec<&str> = ids.iter().map(|id| id.tenant.as_str()).collect();
    let requests: Vec<String> = ids.iter().map(|id| id.request.to_string()).collect();
    let mut spare = postgresql.connection().await?;
    let mut busy = spare.busy();
    let query = sqlx::query_as(READ).bind(tenants).bind(requests);
    let found = query.fetch_all(busy.connection()).await;
    let found: Result<Vec<Numbered>, _> = found.map_err(StoreError::from);
    busy.end();
    postgresql.pulse.heard(&found);
    postgresql.spares.keep_after(spare, &found);
    let mut rows: Vec<ReadRow> = ids.iter().map(|_| Ok(None)).collect();
    for (number, fingerprint, state, answer, owner, attempt, silent_for) in found? {
        let columns = (fingerprint, state, answer, owner, attempt, silent_for);
        let place = usize::try_from(number - 1).ok();
        if let Some(place) = place.and_then(|place| rows.get_mut(place)) {
            *place = Row::read(columns).map(Some);
        }
    }
    Ok(rows)
}

/// [`super::Columns`] behind the number of the call.
type Numbered = (i64, Vec<u8>, String, Option<String>, String, i64, i64);

pub(super) async fn write(
    postgresql: &Postgresql,
    writes: &Writes<'_>,
) -> Result<HashSet<i64>, StoreError> {
    let mut spare = postgresql.connection().await?;
    let mut busy = spare.busy();
    let done = async {
        let connection = busy.connection();
        let started = start(&mut *connection, writes).await?;
        end(connection, writes).await?;
        Ok(started)
    }
    .await;
    busy.end();
    postgresql.pulse.heard(&done);
    postgresql.spares.keep_after(spare, &done);
    done
}

async fn start(
    connection: &mut sqlx::PgConnection,
    writes: &Writes<'_>,
) -> Result<HashSet<i64>, StoreError> {
    let starts = writes.starts;
    if starts.is_empty() {
        return Ok(HashSet::new());
    }
    let tenants: Vec<&str> = starts
        .iter()
        .map(|start| start.id.tenant.as_str())
        .collect();
    let requests = starts.iter().map(|start| start.id.request.to_string());
    let fingerprints: Vec<&[u8]> = starts.iter().map(|start| &start.fingerprint[..]).collect();
    let attempts: Vec<i64> = starts.iter().map(|start| start.attempt).collect();
    let replaces: Vec<Option<i64>> = starts.iter().map(|start| start.replaces).collect();
    let query = sqlx::query_scalar(START)
        .bind(writes.owner.to_string())
        .bind(writes.lifetime);
    let query = query.bind(tenants).bind(requests.collect::<Vec<_>>());
    let query = query.bind(fingerprints).bind(attempts).bind(replaces);
    let started: Vec<i64> = query.fetch_all(connection).await?;
    Ok(started.into_iter().collect())
}

async fn end(connection: &mut sqlx::PgConnection, writes: &Writes<'_>) -> Result<(), StoreError> {
    let ends = writes.ends;
    if ends.is_empty() {
        return Ok(());
    }
    let tenants: Vec<&str> = ends.iter().map(|end| end.id.tenant.as_str()).collect();
    let requests: Vec<String> = ends.iter().map(|end| end.id.request.to_string()).collect();
    let attempts: Vec<i64> = ends.iter().map(|end| end.attempt).collect();
    let columns = ends.iter().map(|end| end.outcome.columns());
    let (mut states, mut answers, mut expiries) = (Vec::new(), Vec::new(), Vec::new());
    for (state, answer, expires_at) in columns {
        states.push(state);
        answers.push(answer);
        expiries.push(expires_at);
    }
    let query = sqlx::query(END)
        .bind(writes.owner.to_string())
        .bind(tenants)
        .bind(requests)
        .bind(attempts);
    query
        .bind(states)
        .bind(answers)
        .bind(expiries)
        .execute(connection)
        .await?;
    Ok(())
}
