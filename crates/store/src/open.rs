//! Opening the store.

use std::sync::Arc;

use super::error::OpenError;
use super::pool::Pool;
use super::{Access, Store, StoreUrl, postgresql, sqlite};
use crate::sealing::{KeyId, Keyring};

impl Store {
    /// Opens the store, and as the service creates it first if need be.
    ///
    /// # Errors
    ///
    /// The database cannot be reached or used, another service has the SQLite file, the tables are newer than this
    /// program, or, for the service, a key is missing that seals something in the store.
    pub async fn open(url: &StoreUrl, keyring: Keyring, access: Access) -> Result<Self, OpenError> {
        let (pool, only) = match (url, access) {
            (StoreUrl::Sqlite(path), Access::Service) => {
                let (sqlite, only) = sqlite::serve(path).await?;
                (Pool::Sqlite(sqlite), Some(Arc::new(only)))
            }
            (StoreUrl::Sqlite(path), Access::Maintenance) => {
                (Pool::Sqlite(sqlite::maintain(path).await?), None)
            }
            (StoreUrl::Postgresql(url), access) => {
                (Pool::Postgresql(postgresql::open(url, access).await?), None)
            }
        };
        let store = Self {
            pool,
            keyring,
            _only: only,
        };
        if access == Access::Service {
            store.check_keys().await?;
        }
        Ok(store)
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
