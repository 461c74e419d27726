//! Opens a PostgreSQL database.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, Executor, PgConnection, Row};
use tokio::sync::Semaphore;

use crate::error::{OpenError, StoreError};
use crate::migrations;
use crate::pool::Postgresql;
use crate::pulse::Pulse;
use crate::spares::{Spares, is_usable};
use crate::url::PostgresqlUrl;

/// Connections per process. Few, because writers wait for each other anyway.
const CONNECTIONS: u32 = 10;
const TURNS: usize = 10;

/// Timeout for connecting: about the time that a server needs to restart.
const CONNECTING: Duration = Duration::from_secs(3);

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
        check_session(&mut connection, &options).await?;
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
        check_session(&mut connection, &options).await?;
        migrations::check(&mut connection).await?;
        close(connection).await
    };
    in_time(check).await?;
    Ok(pool(options))
}

/// A connection for a look at a database whose tables may have any version.
pub(crate) async fn look(url: &PostgresqlUrl) -> Result<PgConnection, OpenError> {
    let options = options(url);
    let mut connection = connect(&options).await?;
    check_session(&mut connection, &options).await?;
    Ok(connection)
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
        .before_acquire(|connection, about| Box::pin(is_usable(connection, about.idle_for)))
        .after_connect(|connection, _| {
            Box::pin(async move { connection.execute(LIMITS).await.map(drop) })
        })
        .connect_lazy_with(options);
    Postgresql {
        pool,
        turns: Arc::new(Semaphore::new(TURNS)),
        writing: Arc::new(Semaphore::new(1)),
        pulse: Pulse::default(),
        spares: Spares::default(),
    }
}

/// Checks that the connection keeps its session between transactions. A pooler in transaction mode
/// gives the server's session to another client meanwhile; then limits that we set, locks and
/// prepared statements are those of somebody else.
async fn check_session(
    connection: &mut PgConnection,
    options: &PgConnectOptions,
) -> Result<(), OpenError> {
    let before = session(connection).await?;
    let mut other = connect(options).await?;
    // A pooler in statement mode refuses this.
    let held = match other.execute("BEGIN").await {
        Ok(_) => session(&mut other).await?,
        Err(error) => match error.as_database_error().and_then(|error| error.code()) {
            Some(code) if code == "08P01" => return Err(OpenError::Pooler),
            Some(_) | None => return Err(StoreError::from(error).into()),
        },
    };
    let after = session(connection).await?;
    close(other).await?;
    if before == held || before != after {
        return Err(OpenError::Pooler);
    }
    Ok(())
}

/// Which of the server's processes executes our statements.
async fn session(connection: &mut PgConnection) -> Result<String, StoreError> {
    let row = connection
        .fetch_one("SELECT CAST(pg_backend_pid() AS TEXT)")
        .await?;
    Ok(row.try_get(0)?)
}

async fn connect(options: &PgConnectOptions) -> Result<PgConnection, StoreError> {
    let connection = tokio::time::timeout(CONNECTING, options.connect()).await;
    let connection = connection.map_err(|_| StoreError::timeout())?;
    connection.map_err(StoreError::from)
}

fn options(url: &PostgresqlUrl) -> PgConnectOptions {
    let options = url.options().clone().disable_statement_logging();
    // Nobody reads such numbers, and PgBouncer refuses clients that set their digits.
    let options = options.extra_float_digits(None);
    match options.get_application_name() {
        Some(_) => options,
        None => options.application_name("openlines"),
    }
}
