//! What goes wrong with the store.

use std::path::PathBuf;

use thiserror::Error;

use crate::sealing::{DoesNotOpen, DoesNotSeal, KeyId};
use bitrix24::TenantId;

/// The store did not do what it was asked for.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The database is away, overloaded, or refuses. Asking again later may help.
    #[error("the store is not available")]
    Unavailable(#[source] Unavailable),
    /// A tenant's secrets do not open.
    #[error("the {field} of tenant {tenant} does not open")]
    Sealed {
        /// Whose.
        tenant: TenantId,
        /// Which, by the name of its column.
        field: &'static str,
        /// Why not.
        source: DoesNotOpen,
    },
    /// What is stored is not what this service writes.
    #[error("the store holds something that this service did not write: {0}")]
    Corrupt(String),
}

/// Why the database did not answer as it should. Holds neither its address nor a password.
#[derive(Debug, Error)]
pub enum Unavailable {
    /// It did not do it in time, or gave no connection in time.
    #[error("the database did not answer in time")]
    Timeout,
    /// The connection was refused or broke.
    #[error("the connection to the database failed: {0}")]
    Connection(std::io::ErrorKind),
    /// No secure connection was agreed on.
    #[error("no secure connection to the database was agreed on")]
    Tls,
    /// It answered with an error.
    #[error("the database refused (code {code}): {message}")]
    Refused {
        /// Its code: SQLSTATE for PostgreSQL.
        code: String,
        /// Its words.
        message: String,
    },
    /// Nothing was sent, because the operating system had no random numbers.
    #[error("nothing was stored")]
    NotSealed(#[from] DoesNotSeal),
    /// Something else between the service and the database.
    #[error("the database was not understood: {0}")]
    Other(&'static str),
}

/// A tenant that is stored and cannot be read. The others can.
#[derive(Debug, Error)]
#[error("tenant {id} cannot be read")]
pub struct UnreadableTenant {
    /// Which.
    pub id: TenantId,
    /// Why: never [`StoreError::Unavailable`].
    pub source: StoreError,
}

/// Why a store was not opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The SQLite file or the lock file beside it cannot be created or opened.
    #[error("the file {} cannot be opened for writing; is its folder there, and may this user write to it?", .path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// There is no such file, and a command beside the service creates none.
    #[error("there is no store in {}; `openlines serve` creates it", .0.display())]
    NoFile(PathBuf),
    /// Another service has the SQLite file.
    #[error(
        "another openlines process serves from {}: an SQLite file is for one process; use PostgreSQL for several replicas",
        .0.display()
    )]
    Taken(PathBuf),
    /// A newer version of this program has migrated the database.
    #[error(
        "the tables of the store are of version {found}, this program knows up to {known}; run the newer version of openlines"
    )]
    Newer {
        /// The version of the tables.
        found: i64,
        /// The newest version that is known here.
        known: i64,
    },
    /// The tables are missing or of an older version, and a command beside the service changes none.
    #[error(
        "the tables of the store are not of this program's version; start `openlines serve` of this version once"
    )]
    NotMigrated,
    /// The tables could not be brought to this version.
    #[error("the tables of the store could not be brought to this version: {0}")]
    Migration(&'static str),
    /// Secrets are sealed with keys that the keyring does not hold.
    #[error(
        "the keyring lacks {}, with which secrets in the store are sealed; add the old key behind the first one",
        names(.0)
    )]
    MissingKeys(Vec<KeyId>),
    /// The database itself.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a tenant was not created.
#[derive(Debug, Error)]
pub enum CreateError {
    /// A tenant of this id is there.
    #[error("a tenant of this id exists")]
    AlreadyExists,
    /// The database itself.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a tenant was not changed.
#[derive(Debug, Error)]
pub enum ModifyError<E> {
    /// There is no such tenant.
    #[error("there is no such tenant")]
    NotFound,
    /// The caller's own objection.
    #[error("the change was refused")]
    Refused(E),
    /// The database itself.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a tenant was not deleted.
#[derive(Debug, Error)]
pub enum DeleteError {
    /// There is no such tenant.
    #[error("there is no such tenant")]
    NotFound,
    /// It is of another revision than the caller thinks.
    #[error("the tenant was changed meanwhile")]
    Changed,
    /// The database itself.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl StoreError {
    /// The database did not do in time what was asked of it.
    pub fn timeout() -> Self {
        Self::Unavailable(Unavailable::Timeout)
    }
}

/// Keeps of the library's error what holds no secret: its own texts may quote the URL's parts, and its `Debug` form the
/// values of a row.
impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error;
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "the library may add more, and the rest is told in one way"
        )]
        let unavailable = match error {
            Error::PoolTimedOut => Unavailable::Timeout,
            Error::Io(error) => Unavailable::Connection(error.kind()),
            Error::Tls(_) => Unavailable::Tls,
            Error::Database(error) => Unavailable::Refused {
                code: error.code().unwrap_or_default().into_owned(),
                message: error.message().to_owned(),
            },
            Error::RowNotFound => return Self::Corrupt("a row is missing".to_owned()),
            Error::ColumnDecode { index, .. } => {
                return Self::Corrupt(format!("column {index} is of another type"));
            }
            Error::ColumnNotFound(_) | Error::TypeNotFound { .. } | Error::Decode(_) => {
                return Self::Corrupt("a column is of another type".to_owned());
            }
            Error::Protocol(_) => Unavailable::Other("a message broke the protocol"),
            Error::PoolClosed => Unavailable::Other("the connections were closed"),
            Error::WorkerCrashed => Unavailable::Other("a worker ended"),
            _ => Unavailable::Other("an error of the database library"),
        };
        Self::Unavailable(unavailable)
    }
}

impl From<DoesNotSeal> for StoreError {
    fn from(error: DoesNotSeal) -> Self {
        Self::Unavailable(error.into())
    }
}

fn names(ids: &[KeyId]) -> String {
    let noun = if ids.len() == 1 {
        "the key"
    } else {
        "the keys"
    };
    let ids: Vec<&str> = ids.iter().map(KeyId::as_str).collect();
    format!("{noun} {}", ids.join(", "))
}
