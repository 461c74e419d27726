//! Opens an SQLite file.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};

use crate::error::{OpenError, StoreError};
use crate::log::{BUSY, Ledger};
use crate::migrations;
use crate::opened_file::OpenedFile;
use crate::pool::{Sqlite, Writing};

/// How long a method waits for a connection.
const ACQUIRE: Duration = Duration::from_secs(10);

/// Connections for reading. Few, because reads are rare.
const READERS: u32 = 4;

/// Only the owner may read and write the file.
const MODE: u32 = 0o600;

/// How much of the file a connection keeps in memory, in KiB and negative. A start reads all
/// tenants, and keeps as much. The system has the rest of the file in its own cache.
const CACHE: &str = "-512";

/// The owners of leases of before are gone. The empty one is that of abandoned leases (leases.rs).
const END_OF_KILLED: &str = "UPDATE refresh_leases SET owner = CASE owner WHEN '' THEN '' ELSE 'killed' END, expires_at = 0";

/// Locks the file for this service, creates the file and its tables, and ends the leases and the
/// heartbeats of the previous process.
pub(crate) async fn serve(path: &Path) -> Result<(Sqlite, Arc<File>), OpenError> {
    let lock = lock(path)?;
    let refused = |source| OpenError::File {
        path: path.to_owned(),
        source,
    };
    create(path).map_err(refused)?;
    let file = OpenedFile::of(path).map_err(refused)?;
    let mut connection = options(path).connect().await.map_err(StoreError::from)?;
    let mut transaction = connection
        .begin_with("BEGIN IMMEDIATE")
        .await
        .map_err(StoreError::from)?;
    migrations::migrate(&migrations::sqlite(), &mut *transaction).await?;
    for statement in [END_OF_KILLED, "DELETE FROM replicas"] {
        let query = sqlx::query(statement).execute(&mut *transaction);
        query.await.map_err(StoreError::from)?;
    }
    transaction.commit().await.map_err(StoreError::from)?;
    connection.close().await.map_err(StoreError::from)?;
    let (mut sqlite, lock) = (pools(path, file), Arc::new(lock));
    let (file, turn) = (Arc::clone(&sqlite.file), Arc::clone(&sqlite.writing.turn));
    let ledger = Ledger::start(path, file, turn, Arc::clone(&lock));
    sqlite.ledger = Some(ledger.await?);
    Ok((sqlite, lock))
}

/// Opens a file beside a running service.
pub(crate) async fn maintain(path: &Path) -> Result<Sqlite, OpenError> {
    if !path.is_file() {
        return Err(OpenError::NoFile(path.to_owned()));
    }
    let file = OpenedFile::of(path).map_err(|source| OpenError::File {
        path: path.to_owned(),
        source,
    })?;
    let mut connection = options(path).connect().await.map_err(StoreError::from)?;
    migrations::check(&mut connection).await?;
    connection.close().await.map_err(StoreError::from)?;
    Ok(pools(path, file))
}

fn pools(path: &Path, file: OpenedFile) -> Sqlite {
    let pool = |connections| {
        SqlitePoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(ACQUIRE)
            // A file does not go away, and reopening it costs more than the memory of a connection.
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
    };
    Sqlite {
        writing: Writing {
            pool: pool(1).connect_lazy_with(options(path)),
            turn: Arc::default(),
        },
        reading: pool(READERS).connect_lazy_with(options(path).pragma("query_only", "ON")),
        ledger: None,
        file: Arc::new(file),
        #[cfg(feature = "simulation")]
        line: None,
    }
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        // A token pair that was reported as stored must survive a power cut.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY)
        .pragma("cache_size", CACHE)
        .disable_statement_logging()
}

/// Creates the file before sqlx does, to set its mode. SQLite copies the mode to its other files.
fn create(path: &Path) -> io::Result<()> {
    let mut open = OpenOptions::new();
    open.read(true).write(true).create(true).mode(MODE);
    open.open(path).map(drop)
}

/// The operating system releases the lock when the process ends, even after a crash.
pub(crate) fn lock(path: &Path) -> Result<File, OpenError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let lock = PathBuf::from(name);
    let mut open = OpenOptions::new();
    open.write(true).create(true).truncate(false).mode(MODE);
    let file = open.open(&lock);
    let locked = file.and_then(|file| match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(ErrorKind::WouldBlock.into()),
        Err(TryLockError::Error(error)) => Err(error),
    });
    locked.map_err(|source| {
        if source.kind() == ErrorKind::WouldBlock {
            OpenError::Taken(path.to_owned())
        } else {
            OpenError::File { path: lock, source }
        }
    })
}
