//! A database that a simulation plays: one SQLite database in memory for all replicas, with a line
//! to each that may be slow or cut. Not in any program that ships: it is compiled only with the
//! feature `simulation`.
//!
//! A method's statements run as one step of the simulation, whatever threads SQLite needs. What a
//! real server does between the statements of several clients is not simulated.

use std::path::Path;
use std::sync::Arc;

use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

use crate::error::{OpenError, StoreError};
use crate::migrations;
use crate::open::Store;
use crate::opened_file::OpenedFile;
use crate::pool::{Pool, Sqlite, Writing};
use crate::sealing::Keyring;
use crate::weather::{Budgets, Line, at_once};
pub use crate::weather::{Passing, Weather};

const LEDGER: &str = "CREATE TABLE ledger (tenant_id TEXT NOT NULL, request_id TEXT NOT NULL, \
     fingerprint BLOB NOT NULL, state TEXT NOT NULL, answer TEXT, owner TEXT NOT NULL, attempt INTEGER NOT NULL, \
     started_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, PRIMARY KEY (tenant_id, request_id)) STRICT";

/// The database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Database {
    pool: SqlitePool,
    budgets: Budgets,
}

impl Database {
    /// An empty database.
    ///
    /// # Errors
    ///
    /// SQLite does not work here.
    pub fn create() -> Result<Self, OpenError> {
        at_once(Self::create_pool())
    }

    async fn create_pool() -> Result<Self, OpenError> {
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_lazy_with(SqliteConnectOptions::new().in_memory(true));
        let mut connection = pool.acquire().await.map_err(StoreError::from)?;
        migrations::migrate(&migrations::sqlite(), &mut *connection).await?;
        for statement in [
            "DROP VIEW clock",
            "CREATE TABLE clock (now_milliseconds INTEGER NOT NULL) STRICT",
            "INSERT INTO clock (now_milliseconds) VALUES (0)",
            // The table that several replicas can share, as PostgreSQL has it.
            "DROP VIEW ledger",
            LEDGER,
        ] {
            let executed = sqlx::query(statement).execute(&mut *connection).await;
            executed.map_err(StoreError::from)?;
        }
        drop(connection);
        Ok(Self {
            pool,
            budgets: Arc::default(),
        })
    }

    /// The store of one replica.
    ///
    /// # Errors
    ///
    /// Never, where there is `/dev/null`.
    pub fn store(&self, keyring: Keyring, weather: Arc<dyn Weather>) -> Result<Store, OpenError> {
        let path = Path::new("/dev/null");
        let file = OpenedFile::of(path).map_err(|source| OpenError::File {
            path: path.to_owned(),
            source,
        })?;
        let line = Line {
            database: self.pool.clone(),
            budgets: Arc::clone(&self.budgets),
            weather,
        };
        let pool = Pool::Sqlite(Sqlite {
            writing: Writing {
                pool: self.pool.clone(),
                turn: Arc::default(),
            },
            reading: self.pool.clone(),
            ledger: None,
            file: Arc::new(file),
            line: Some(line),
        });
        Ok(Store {
            pool,
            keyring,
            _lock: None,
        })
    }
}
