//! Opens a PostgreSQL database.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, Executor, PgConnection};
use tokio::sync::Semaphore;

use crate::error::{OpenError, StoreError};
use crate::migrations;
use crate::pool::Postgresql;
use crate::url::PostgresqlUrl;

/// Connections per process. Few, because writers wait for each other anyway.
const CONNECTIONS: u32 = 10;
const TURNS: usize = 10;

/// Timeout for connecting: about the time that a server needs to restart.
const CONNECTING: Duration = Duration::from_secs(3);

/// Timeout for testing an idle connection. A connection that does not respond is replaced.
const PING: Duration = Duration::from_millis(500);

/// How long a starting replica waits for another replica that migrates.
const MIGRATING: Duration = Duration::from_secs(60);

/// The server's timeouts, below the time limit of a method. They also end transactions whose client
/// does not continue.
const LIMITS: &str = "SET statement_timeout = '5s'; SET lock_timeout = '5s'; \
     SET idle_in_transaction_session_timeout = '10s'; \
     SET synchronous_commit = on; SET default_transaction_isolation = 'read committed'";

/// Migrates the tables and opens the database.
pub(crate) async fn serve(url: &PostgresqlUrl) -> Result<Postgresql, OpenError> {
    let options = options(url);
    let migrate = async {
        let mut connection = connect(&options).await?;
        migrations::migrate(&migrations::postgresql(), &mut connection).await?;
        close(connection).await
    };
    in_time(migrate).await?;
    Ok(pool(options))
}

/// Opens the database beside a running service.
pub(crate) async fn maintain(url: &PostgresqlUrl) -> Result<Postgresql, OpenError> {
    let options = options(url);
    let check = async {
        let mut connection = connect(&options).await?;
        migrations::check(&mut connection).await?;
        close(connection).await
    };
    in_time(check).await?;
    Ok(pool(options))
}

async fn in_time(opening: impl Future<Output = Result<(), OpenError>>) -> Result<(), OpenError> {
    tokio::time::timeout(MIGRATING, opening)
        .await
        .unwrap_or_else(|_| Err(StoreError::timeout().into()))
}

async fn close(connection: PgConnection) -> Result<(), OpenError> {
    Ok(connection.close().await.map_err(StoreError::from)?)
}

fn pool(options: PgConnectOptions) -> Postgresql {
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(CONNECTING)
        .test_before_acquire(false)
        .before_acquire(|connection, _| Box::pin(answers(connection)))
        .after_connect(|connection, _| {
            Box::pin(async move { connection.execute(LIMITS).await.map(drop) })
        })
        .connect_lazy_with(options);
    Postgresql {
        pool,
        turns: Arc::new(Semaphore::new(TURNS)),
        writing: Arc::new(Semaphore::new(1)),
        ledger: Arc::new(Semaphore::new(1)),
    }
}

/// Whether the server responds on a connection. sqlx's own test has no timeout.
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
