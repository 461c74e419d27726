//! A look at a store that changes nothing, for `openlines serve --check --store`.

use std::path::Path;
use std::time::Duration;

use sqlx::postgres::PgConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection, Executor};

use crate::error::{OpenError, StoreError};
use crate::key_text::KeyId;
use crate::migrations;
use crate::postgresql;
use crate::tenants::Counts;
use crate::url::StoreUrl;

/// How recent the heartbeat of a service is that is running, in milliseconds.
const RUNNING: i64 = 60_000;

/// How long the look may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is in a store.
#[derive(Debug)]
pub enum Inspection {
    /// There is no such file yet, or a database without our tables: the service creates them.
    Empty,
    /// The tables are there.
    Found(Found),
}

/// The content of a store.
#[derive(Debug)]
pub struct Found {
    /// The version of its tables.
    pub version: i64,
    /// The version that this program works with; it brings older tables up to date.
    pub known: i64,
    /// The tenants.
    pub tenants: Counts,
    /// The keys in use with the number of secrets that each one seals.
    pub keys: Vec<(KeyId, u64)>,
    /// The hosts of services that run on it. Not known of tables of an older version.
    pub serving: Vec<String>,
    /// Whether the database takes no writes: a standby, or a file that is not writable.
    pub is_read_only: bool,
}

const COUNT: &str = "SELECT COUNT(*), CAST(COALESCE(SUM(CASE WHEN disabled THEN 1 ELSE 0 END), 0) AS BIGINT), \
     COUNT(reauthorization_since) FROM tenants";

const KEYS: &str = "SELECT sealing_key, CAST(SUM(sealed_values) AS BIGINT) FROM tenants \
     WHERE sealing_key IS NOT NULL GROUP BY sealing_key ORDER BY sealing_key";

const SERVING: &str = "SELECT COALESCE(host, 'an unknown host') FROM replicas, clock \
     WHERE host IS NOT NULL AND seen_at > now_milliseconds - $1 ORDER BY host";

/// The statements for either database, whose connections have types of their own.
macro_rules! look {
    ($connection:expr, $version:expr, $is_read_only:expr) => {{
        let (tenants, disabled, reauthorization): (i64, i64, i64) = sqlx::query_as(COUNT)
            .fetch_one(&mut *$connection)
            .await
            .map_err(StoreError::from)?;
        let keys: Vec<(String, i64)> = sqlx::query_as(KEYS)
            .fetch_all(&mut *$connection)
            .await
            .map_err(StoreError::from)?;
        let serving: Vec<String> = if $version == migrations::known() {
            let query = sqlx::query_scalar(SERVING).bind(RUNNING);
            query
                .fetch_all(&mut *$connection)
                .await
                .map_err(StoreError::from)?
        } else {
            Vec::new()
        };
        let number = |number: i64| u64::try_from(number).unwrap_or_default();
        let keys = keys.iter().map(|(id, values)| {
            let id = KeyId::parse(id);
            let id = id.ok_or_else(|| StoreError::Corrupt("the id of a sealing key".to_owned()))?;
            Ok((id, number(*values)))
        });
        Found {
            version: $version,
            known: migrations::known(),
            tenants: Counts {
                tenants: number(tenants),
                disabled: number(disabled),
                reauthorization_required: number(reauthorization),
            },
            keys: keys.collect::<Result<_, StoreError>>()?,
            serving,
            is_read_only: $is_read_only,
        }
    }};
}

impl Inspection {
    /// Looks at a store. Nothing is changed, created or locked.
    ///
    /// # Errors
    ///
    /// It cannot be reached or read, a pooler is in between, or its tables are of a newer version.
    pub async fn of(url: &StoreUrl) -> Result<Self, OpenError> {
        let look = async {
            match url {
                StoreUrl::Sqlite(path) => of_file(path).await,
                StoreUrl::Postgresql(url) => {
                    let mut connection = postgresql::look(url).await?;
                    let found = of_server(&mut connection).await;
                    // What was not changed need not be committed.
                    let _ = connection.close().await;
                    found
                }
            }
        };
        tokio::time::timeout(PATIENCE, look)
            .await
            .unwrap_or_else(|_| Err(StoreError::timeout().into()))
    }
}

async fn of_file(path: &Path) -> Result<Inspection, OpenError> {
    if !path.exists() {
        return match path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
        {
            Some(folder) if !folder.is_dir() => Err(OpenError::File {
                path: path.to_owned(),
                source: std::io::ErrorKind::NotFound.into(),
            }),
            Some(_) | None => Ok(Inspection::Empty),
        };
    }
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    // Without a log nobody has the file open, and even a reader would create one.
    let is_idle = !Path::new(&log).exists();
    let options = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .immutable(is_idle)
        .disable_statement_logging();
    let mut connection = options.connect().await.map_err(StoreError::from)?;
    let found = of_opened(&mut connection, path).await;
    let _ = connection.close().await;
    found
}

async fn of_opened(
    connection: &mut SqliteConnection,
    path: &Path,
) -> Result<Inspection, OpenError> {
    let Some(version) = migrations::version(connection).await? else {
        return Ok(Inspection::Empty);
    };
    let metadata = std::fs::metadata(path).map_err(|source| OpenError::File {
        path: path.to_owned(),
        source,
    })?;
    let is_read_only = metadata.permissions().readonly();
    Ok(Inspection::Found(look!(connection, version, is_read_only)))
}

async fn of_server(connection: &mut PgConnection) -> Result<Inspection, OpenError> {
    let is_read_only: String = sqlx::query_scalar("SHOW transaction_read_only")
        .fetch_one(&mut *connection)
        .await
        .map_err(StoreError::from)?;
    let read_only = "SET default_transaction_read_only = on; SET statement_timeout = '5s'";
    connection
        .execute(read_only)
        .await
        .map_err(StoreError::from)?;
    let Some(version) = migrations::version(connection).await? else {
        return Ok(Inspection::Empty);
    };
    Ok(Inspection::Found(look!(
        connection,
        version,
        is_read_only == "on"
    )))
}
