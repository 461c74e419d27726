//! A PostgreSQL database as the store.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, Executor, PgConnection};
use tokio::sync::Semaphore;

use super::error::{OpenError, StoreError};
use super::pool::Postgresql;
use super::url::PostgresqlUrl;
use super::{Access, migrations};

/// Connections of one process. The store is asked seldom; more would only wait for each other.
const CONNECTIONS: u32 = 10;
const TURNS: usize = 10;

/// How long to try for a connection: a server that restarts is back in about that time.
const CONNECTING: Duration = Duration::from_secs(3);

/// How long to try a connection that has lain idle. A new one is made instead of one that does not answer.
const PING: Duration = Duration::from_millis(500);

/// How long a replica waits at its start for another one that migrates.
const MIGRATING: Duration = Duration::from_secs(60);

/// The server's own limits for what a method does, below the limit of the method: no statement of ours takes long, and no
/// transaction holds its locks while it waits for us.
const LIMITS: &str = "SET statement_timeout = '5s'; SET lock_timeout = '5s'; \
     SET idle_in_transaction_session_timeout = '10s'; \
     SET synchronous_commit = on; SET default_transaction_isolation = 'read committed'";

/// Opens the database, and as the service creates the tables.
pub(super) async fn open(url: &PostgresqlUrl, access: Access) -> Result<Postgresql, OpenError> {
    let options = options(url);
    let first = async {
        let mut connection = connect(&options).await?;
        match access {
            Access::Service => {
                migrations::migrate(&migrations::postgresql(), &mut connection).await?;
            }
            Access::Maintenance => migrations::check(&mut connection).await?,
        }
        connection.close().await.map_err(StoreError::from)?;
        Ok::<_, OpenError>(())
    };
    tokio::time::timeout(MIGRATING, first)
        .await
        .unwrap_or_else(|_| Err(StoreError::timeout().into()))?;
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(CONNECTING)
        .test_before_acquire(false)
        .before_acquire(|connection, _| Box::pin(answers(connection)))
        .after_connect(|connection, _| {
            Box::pin(async move { connection.execute(LIMITS).await.map(drop) })
        })
        .connect_lazy_with(options);
    Ok(Postgresql {
        pool,
        turns: Arc::new(Semaphore::new(TURNS)),
        writing: Arc::new(Semaphore::new(1)),
        ledger: Arc::new(Semaphore::new(1)),
    })
}

/// Whether the server still answers on a connection. The library's own test would wait for a silent one without limit.
async fn answers(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let ping = tokio::time::timeout(PING, connection.ping()).await;
    ping.map_err(|_| sqlx::Error::PoolTimedOut)?.map(|()| true)
}

async fn connect(options: &PgConnectOptions) -> Result<PgConnection, StoreError> {
    let connection = tokio::time::timeout(CONNECTING, options.connect()).await;
    let connection = connection.map_err(|_| StoreError::timeout())?;
    connection.map_err(StoreError::from)
}

fn options(url: &PostgresqlUrl) -> PgConnectOptions {
    let options = url.options().clone().disable_statement_logging();
    match options.get_application_name() {
        Some(_) => options,
        None => options.application_name("openlines"),
    }
}
