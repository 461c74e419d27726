//! Whether the store can be used just now.

use uuid::Uuid;

use crate::error::StoreError;
use crate::open::Store;
use crate::pool::{Pool, with_connection};

/// Changes one row, so that a page is written: a full disk must show. Nothing else uses the row.
const SQLITE: &str = "INSERT INTO replicas (id, seen_at) SELECT $1, now_milliseconds FROM clock WHERE TRUE \
     ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at";

/// Changes no row, which a database that only reads refuses, too.
const POSTGRESQL: &str = "UPDATE replicas SET seen_at = seen_at WHERE id = $1";

impl Store {
    /// Checks that the store takes a write.
    pub async fn probe(&self) -> Result<(), StoreError> {
        let statement = match self.pool {
            Pool::Sqlite(_) => SQLITE,
            Pool::Postgresql(_) => POSTGRESQL,
        };
        let written = with_connection!(&self.pool, writing, connection => {
            let query = sqlx::query(statement).bind(Uuid::nil().to_string());
            query.execute(connection).await?;
            Ok(())
        });
        written.await
    }

    /// Checks that an SQLite file is still the one that was opened, by a look at its folder.
    pub fn is_in_place(&self) -> Result<(), StoreError> {
        match &self.pool {
            Pool::Sqlite(sqlite) => sqlite.file.check(),
            Pool::Postgresql(_) => Ok(()),
        }
    }
}
