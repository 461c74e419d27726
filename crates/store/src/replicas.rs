//! Heartbeats of the processes that share a database: the table `replicas`.

use std::time::Duration;

use uuid::Uuid;

use crate::error::StoreError;
use crate::open::Store;
use crate::pool::{milliseconds, with_connection};

/// How long the row of a replica without heartbeats is kept: a day, longer than any timeout.
const FORGET: Duration = Duration::from_hours(24);

const BEAT: &str = "INSERT INTO replicas (id, seen_at) SELECT $1, now_milliseconds FROM clock WHERE TRUE \
     ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at";

const LIVING: &str = "SELECT COUNT(*) FROM replicas, clock WHERE seen_at > now_milliseconds - $1";

const DEPART: &str =
    "DELETE FROM replicas WHERE id = $1 OR seen_at <= (SELECT now_milliseconds FROM clock) - $2";

impl Store {
    /// Records a heartbeat.
    pub async fn beat(&self, replica: Uuid) -> Result<(), StoreError> {
        let beaten = with_connection!(&self.pool, writing, connection => {
            sqlx::query(BEAT).bind(replica.to_string()).execute(connection).await?;
            Ok(())
        });
        beaten.await
    }

    /// Counts the replicas with a heartbeat within this time, by the database's clock.
    pub async fn living_replicas(&self, within: Duration) -> Result<u32, StoreError> {
        let within = milliseconds(within, FORGET);
        let counted = with_connection!(&self.pool, reading, connection => {
            Ok(sqlx::query_scalar(LIVING).bind(within).fetch_one(connection).await?)
        });
        let living: i64 = counted.await?;
        Ok(u32::try_from(living).unwrap_or(u32::MAX))
    }

    /// Deregisters a replica, and deletes replicas without a heartbeat for a day.
    pub async fn depart(&self, replica: Uuid) -> Result<(), StoreError> {
        let forget = milliseconds(FORGET, FORGET);
        let departed = with_connection!(&self.pool, writing, connection => {
            let query = sqlx::query(DEPART).bind(replica.to_string()).bind(forget);
            query.execute(connection).await?;
            Ok(())
        });
        departed.await
    }
}
