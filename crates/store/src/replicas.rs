//! Which processes serve from the same database: the table `replicas`.

use std::time::Duration;

use uuid::Uuid;

use super::Store;
use super::error::StoreError;
use super::pool::with_connection;

/// How long the row of a replica stays that is silent, in milliseconds: a day, longer than anybody asks for.
const FORGET: i64 = 86_400_000;

const BEAT: &str = "INSERT INTO replicas (id, seen_at) SELECT $1, now_milliseconds FROM clock WHERE TRUE \
     ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at";

const LIVING: &str = "SELECT COUNT(*) FROM replicas, clock WHERE seen_at > now_milliseconds - $1";

const DEPART: &str =
    "DELETE FROM replicas WHERE id = $1 OR seen_at <= (SELECT now_milliseconds FROM clock) - $2";

impl Store {
    /// Whether several processes may use the store at once.
    pub fn is_shared(&self) -> bool {
        matches!(self.pool, super::Pool::Postgresql(_))
    }

    /// Gives a sign of life.
    ///
    /// # Errors
    ///
    /// The database.
    pub async fn beat(&self, replica: Uuid) -> Result<(), StoreError> {
        let beaten = with_connection!(&self.pool, writing, connection => {
            sqlx::query(BEAT).bind(replica.to_string()).execute(connection).await?;
            Ok(())
        });
        beaten.await
    }

    /// How many replicas have given a sign of life within this time, by the database's clock.
    ///
    /// # Errors
    ///
    /// The database.
    pub async fn living_replicas(&self, within: Duration) -> Result<u32, StoreError> {
        let within = i64::try_from(within.as_millis()).unwrap_or(FORGET);
        let counted = with_connection!(&self.pool, reading, connection => {
            Ok(sqlx::query_scalar(LIVING).bind(within.min(FORGET)).fetch_one(connection).await?)
        });
        let living: i64 = counted.await?;
        Ok(u32::try_from(living).unwrap_or(u32::MAX))
    }

    /// Takes a replica out, and those that have been silent for a day.
    ///
    /// # Errors
    ///
    /// The database.
    pub async fn depart(&self, replica: Uuid) -> Result<(), StoreError> {
        let departed = with_connection!(&self.pool, writing, connection => {
            let query = sqlx::query(DEPART).bind(replica.to_string()).bind(FORGET);
            query.execute(connection).await?;
            Ok(())
        });
        departed.await
    }
}
