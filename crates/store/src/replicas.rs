//! Heartbeats of the processes that serve from a database: the table `replicas`.

use std::time::Duration;

use uuid::Uuid;

use crate::error::StoreError;
use crate::key_text::KeyId;
use crate::open::Store;
use crate::pool::{milliseconds, with_connection};

/// How long the row of a replica without heartbeats is kept: a day, longer than any timeout.
const FORGET: Duration = Duration::from_hours(24);

const BEAT: &str = "INSERT INTO replicas (id, seen_at, host, sealing_keys) \
     SELECT $1, now_milliseconds, $2, $3 FROM clock WHERE TRUE \
     ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at, host = excluded.host, \
     sealing_keys = excluded.sealing_keys";

const LIVING: &str = "SELECT COUNT(*) FROM replicas, clock WHERE seen_at > now_milliseconds - $1";

const SERVING: &str = "SELECT id, host, sealing_keys FROM replicas, clock \
     WHERE seen_at > now_milliseconds - $1 AND id <> $2 ORDER BY host, id";

const DEPART: &str =
    "DELETE FROM replicas WHERE id = $1 OR seen_at <= (SELECT now_milliseconds FROM clock) - $2";

/// A process that serves from the store, as its last heartbeat told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Serving {
    /// The id of the process.
    pub id: String,
    /// The name of its machine or pod; `None` if it did not tell.
    pub host: Option<String>,
    /// The ids of its sealing keys; the first one seals. `None` if it is of an earlier version,
    /// which tells none.
    pub sealing_keys: Option<Vec<KeyId>>,
}

impl Store {
    /// The ids of the keyring's keys; the first one seals.
    pub fn sealing_keys(&self) -> Vec<KeyId> {
        self.keyring.ids()
    }

    /// Records a heartbeat, with the ids of the keyring's keys.
    pub async fn beat(&self, replica: Uuid, host: Option<&str>) -> Result<(), StoreError> {
        let keys: Vec<String> = self.keyring.ids().iter().map(KeyId::to_string).collect();
        let keys = keys.join(" ");
        let beaten = with_connection!(&self.pool, writing, connection => {
            let query = sqlx::query(BEAT).bind(replica.to_string()).bind(host).bind(&keys);
            query.execute(connection).await?;
            Ok(())
        });
        beaten.await
    }

    /// The processes with a heartbeat within this time, by the database's clock.
    pub async fn serving(&self, within: Duration) -> Result<Vec<Serving>, StoreError> {
        let within = milliseconds(within, FORGET);
        let rows = with_connection!(&self.pool, reading, connection => {
            // The row of probes (probe.rs) is no process.
            let query = sqlx::query_as(SERVING).bind(within).bind(Uuid::nil().to_string());
            Ok(query.fetch_all(connection).await?)
        });
        let rows: Vec<(String, Option<String>, Option<String>)> = rows.await?;
        let serving = rows.into_iter().map(|(id, host, keys)| {
            let keys = keys.map(|keys| keys.split_whitespace().map(KeyId::parse).collect());
            let unreadable = || StoreError::Corrupt(format!("sealing_keys of replica {id}"));
            Ok(Serving {
                sealing_keys: keys
                    .map(|keys: Option<_>| keys.ok_or_else(unreadable))
                    .transpose()?,
                id,
                host,
            })
        });
        serving.collect()
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
