//! The store and how it is opened.

use std::sync::Arc;

use crate::error::OpenError;
use crate::key_text::KeyId;
use crate::pool::Pool;
use crate::sealing::Keyring;
use crate::url::StoreUrl;
use crate::{postgresql, sqlite};

/// The store. Cheap to clone.
///
/// Every method fails if the database fails. Each has a time limit, and fails with
/// [`StoreError::Unavailable`] when it is exceeded; the database may have executed it then.
///
/// [`StoreError::Unavailable`]: crate::StoreError::Unavailable
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) pool: Pool,
    pub(crate) keyring: Keyring,
    /// The lock that makes this the only service on an SQLite file; held until the last clone
    /// drops.
    pub(crate) _lock: Option<Arc<std::fs::File>>,
}

/// Who opens the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// The service: creates and migrates the tables, locks an SQLite file, and needs every sealing
    /// key that is in use.
    Service,
    /// An operator's command beside a running service: changes no table and takes no lock.
    Maintenance,
}

impl Store {
    /// Opens the store. The service creates it first if it does not exist.
    ///
    /// # Errors
    ///
    /// The database cannot be reached or used, another service holds the SQLite file, or the tables
    /// are newer than this program. For the service also: the keyring lacks a key that seals
    /// secrets in the store.
    pub async fn open(url: &StoreUrl, keyring: Keyring, access: Access) -> Result<Self, OpenError> {
        let (pool, lock) = match (url, access) {
            (StoreUrl::Sqlite(path), Access::Service) => {
                let (sqlite, lock) = sqlite::serve(path).await?;
                (Pool::Sqlite(sqlite), Some(lock))
            }
            (StoreUrl::Sqlite(path), Access::Maintenance) => {
                (Pool::Sqlite(sqlite::maintain(path).await?), None)
            }
            (StoreUrl::Postgresql(url), Access::Service) => {
                (Pool::Postgresql(postgresql::serve(url).await?), None)
            }
            (StoreUrl::Postgresql(url), Access::Maintenance) => {
                (Pool::Postgresql(postgresql::maintain(url).await?), None)
            }
        };
        let store = Self {
            pool,
            keyring,
            _lock: lock,
        };
        if access == Access::Service {
            store.is_whole().await?;
            store.check_keys().await?;
            store.reseal_first_form().await?;
        }
        Ok(store)
    }

    /// Whether several processes may use the store at once.
    pub fn is_shared(&self) -> bool {
        #[cfg(feature = "simulation")]
        if let Pool::Sqlite(sqlite) = &self.pool {
            return sqlite.line.is_some();
        }
        matches!(self.pool, Pool::Postgresql(_))
    }

    async fn check_keys(&self) -> Result<(), OpenError> {
        let used = self.key_use().await?;
        let missing: Vec<KeyId> = used
            .into_iter()
            .map(|(id, _)| id)
            .filter(|id| !self.keyring.holds(id))
            .collect();
        if missing.is_empty() {
            Ok(())
        } else {
            Err(OpenError::MissingKeys(missing))
        }
    }
}
