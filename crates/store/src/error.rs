//! Errors of the store.

use std::path::PathBuf;

use thiserror::Error;

use bitrix24::TenantId;

use crate::key_text::KeyId;
use crate::sealing::{DoesNotOpen, DoesNotSeal};

/// Why a method of the store failed.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The database is unreachable, overloaded, or refuses. A retry may succeed.
    #[error("the store is not available")]
    Unavailable(#[source] Unavailable),
    /// A secret of a tenant does not open.
    #[error("cannot open the {field} of tenant {tenant}")]
    Sealed {
        /// The tenant.
        tenant: TenantId,
        /// The secret's column.
        field: &'static str,
        /// The cause.
        source: DoesNotOpen,
    },
    /// A stored value is not one that this service writes.
    #[error("the store has a value that this service did not write: {0}")]
    Corrupt(String),
}

/// Why the database is unavailable. Holds neither its address nor a password.
#[derive(Debug, Error)]
pub enum Unavailable {
    /// The statement or the connection took too long.
    #[error("the database did not respond in time")]
    Timeout,
    /// The connection was refused or broke.
    #[error("the connection to the database failed: {0}")]
    Connection(std::io::ErrorKind),
    /// The name of its host does not resolve.
    #[error(
        "the name of the database's host cannot be resolved; check the host in the URL of the store"
    )]
    Name,
    /// The TLS handshake failed.
    #[error("the TLS handshake with the database failed: {0}")]
    Tls(String),
    /// The database returned an error.
    #[error("the database refused (code {code}): {message}")]
    Refused {
        /// The code: SQLSTATE for PostgreSQL.
        code: String,
        /// The database's message.
        message: String,
    },
    /// A secret could not be sealed. No statement was executed.
    #[error("nothing was stored")]
    NotSealed(#[from] DoesNotSeal),
    /// The file of the store was removed or replaced.
    #[error(
        "the file of the store is not the one that was opened: it was removed or replaced, and what is \
         written now would be lost; put it back, or restart the service"
    )]
    Lost,
    /// Another failure between the service and the database.
    #[error("the connection to the database failed: {0}")]
    Other(&'static str),
}

/// A stored tenant that cannot be read.
#[derive(Debug, Error)]
#[error("tenant {id} cannot be read")]
pub struct UnreadableTenant {
    /// The tenant.
    pub id: TenantId,
    /// The cause; never [`StoreError::Unavailable`].
    pub source: StoreError,
}

/// Why a store cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The SQLite file or the lock file beside it cannot be created or opened.
    #[error(
        "cannot open {} for writing; check that its folder exists and that this user may write to it",
        .path.display()
    )]
    File {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The file does not exist, and a command does not create it.
    #[error("there is no store in {}; `openlines serve` creates it", .0.display())]
    NoFile(PathBuf),
    /// Another service holds the SQLite file.
    #[error(
        "another openlines process uses {}; an SQLite file is for one process: use PostgreSQL for several replicas",
        .0.display()
    )]
    Taken(PathBuf),
    /// A newer version of this program migrated the database.
    #[error(
        "the tables of the store have version {found}, this program supports up to {known}; run the newer version of openlines"
    )]
    Newer {
        /// The version of the tables.
        found: i64,
        /// The newest version that this program supports.
        known: i64,
    },
    /// The tables are missing or older, and a command does not migrate them.
    #[error(
        "the tables of the store do not have this program's version; start `openlines serve` of this version once"
    )]
    NotMigrated,
    /// The migration failed.
    #[error("cannot migrate the tables of the store: {0}")]
    Migration(&'static str),
    /// The URL leads to a pooler that gives the server's sessions to several clients.
    #[error(
        "the database is behind a pooler that does not keep sessions (PgBouncer with pool_mode = transaction or \
         statement); set pool_mode = session for this database, or connect to PostgreSQL itself: a replica of \
         openlines has at most 11 connections"
    )]
    Pooler,
    /// A copy into the database has not come to its end.
    #[error(
        "the store is a copy that was broken off; run `openlines store copy` again with the same arguments, or give an \
         empty database"
    )]
    HalfCopied,
    /// The keyring lacks keys that seal secrets in the store.
    #[error(
        "the keyring lacks {}, which seals secrets in the store; add the old key after the first one",
        names(.0)
    )]
    MissingKeys(Vec<KeyId>),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a tenant was not created.
#[derive(Debug, Error)]
pub enum CreateError {
    /// A tenant with this id exists.
    #[error("a tenant with this id exists")]
    AlreadyExists,
    /// The installation event that would create it is older than the newest one of a deleted tenant
    /// of the same application and portal.
    #[error("the event is older than the newest one of a deleted tenant")]
    Outdated,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a tenant was not changed.
#[derive(Debug, Error)]
pub enum ModifyError<E> {
    /// The tenant does not exist.
    #[error("there is no such tenant")]
    NotFound,
    /// The caller's own refusal.
    #[error("the change was refused")]
    Refused(E),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a tenant was not deleted.
#[derive(Debug, Error)]
pub enum DeleteError {
    /// The tenant does not exist.
    #[error("there is no such tenant")]
    NotFound,
    /// The tenant has another revision than the one given.
    #[error("the tenant was changed meanwhile")]
    Changed,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl StoreError {
    /// The database did not respond in time.
    pub fn timeout() -> Self {
        Self::Unavailable(Unavailable::Timeout)
    }

    /// Whether the server takes no writes: it is a standby, or was made one.
    pub(crate) fn is_read_only(&self) -> bool {
        match self {
            Self::Unavailable(Unavailable::Refused { code, .. }) => code == "25006",
            Self::Unavailable(_) | Self::Sealed { .. } | Self::Corrupt(_) => false,
        }
    }

    /// Whether the database said so: it responds.
    pub(crate) fn is_answer(&self) -> bool {
        match self {
            Self::Unavailable(unavailable) => matches!(unavailable, Unavailable::Refused { .. }),
            Self::Sealed { .. } | Self::Corrupt(_) => true,
        }
    }

    /// Whether SQLite could not flush its file or the folder to the disk: `SQLITE_IOERR_FSYNC` and
    /// `SQLITE_IOERR_DIR_FSYNC`.
    pub(crate) fn is_unflushed(&self) -> bool {
        match self {
            Self::Unavailable(Unavailable::Refused { code, .. }) => {
                matches!(code.as_str(), "1034" | "1290")
            }
            Self::Unavailable(_) | Self::Sealed { .. } | Self::Corrupt(_) => false,
        }
    }

    /// Whether the file of the store was removed or replaced. That does not pass by itself.
    pub fn is_lost(&self) -> bool {
        matches!(self, Self::Unavailable(Unavailable::Lost))
    }
}

/// Keeps only the parts without secrets: sqlx's texts may quote parts of the URL, and its `Debug`
/// form may show values of a row.
impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error;
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "sqlx may add variants, and the rest get one text"
        )]
        let unavailable = match error {
            Error::PoolTimedOut => Unavailable::Timeout,
            // What rustls says; it names certificates and hosts.
            Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                Unavailable::Tls(error.to_string())
            }
            Error::Io(error) if is_lookup(&error) => Unavailable::Name,
            Error::Io(error) => Unavailable::Connection(error.kind()),
            Error::Tls(error) => Unavailable::Tls(error.to_string()),
            Error::Database(error) => Unavailable::Refused {
                code: error.code().unwrap_or_default().into_owned(),
                message: error.message().to_owned(),
            },
            Error::RowNotFound => return Self::Corrupt("a row is missing".to_owned()),
            Error::ColumnDecode { index, .. } => {
                return Self::Corrupt(format!("column {index} has another type"));
            }
            Error::ColumnNotFound(_) | Error::TypeNotFound { .. } | Error::Decode(_) => {
                return Self::Corrupt("a column has another type".to_owned());
            }
            Error::Configuration(_) => Unavailable::Other(
                "the URL of the store names a file for TLS that cannot be read, or has another invalid option",
            ),
            Error::Protocol(_) => Unavailable::Other("a message violates the protocol"),
            Error::PoolClosed => Unavailable::Other("the connections were closed"),
            Error::WorkerCrashed => Unavailable::Other("a worker ended"),
            _ => Unavailable::Other("an error of sqlx"),
        };
        Self::Unavailable(unavailable)
    }
}

/// Whether a name could not be looked up: the standard library has no kind for it.
fn is_lookup(error: &std::io::Error) -> bool {
    error
        .to_string()
        .starts_with("failed to lookup address information")
}

/// As from sqlx, whose codes are the extended ones too.
impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let rusqlite::Error::SqliteFailure(code, message) = error else {
            return Self::Corrupt("a column has another type".to_owned());
        };
        let message = message.unwrap_or_else(|| code.to_string());
        let code = code.extended_code.to_string();
        Self::Unavailable(Unavailable::Refused { code, message })
    }
}

impl From<DoesNotSeal> for StoreError {
    fn from(error: DoesNotSeal) -> Self {
        Self::Unavailable(error.into())
    }
}

fn names(ids: &[KeyId]) -> String {
    let noun = if ids.len() == 1 { "key" } else { "keys" };
    let ids: Vec<&str> = ids.iter().map(KeyId::as_str).collect();
    format!("the {noun} {}", ids.join(", "))
}
