//! The store: tenants with their sealed credentials and the ledger of calls, in an SQLite file or in PostgreSQL.
//!
//! Both have the same tables and run the same statements; see `pool.rs` for how.

mod budgets;
mod changes;
mod comparison;
mod error;
pub mod key_text;
mod keys;
mod leases;
pub mod ledger;
mod migrations;
mod open;
mod pool;
mod postgresql;
mod replicas;
mod row;
pub mod sealing;
mod sqlite;
mod stored;
mod tenants;
mod url;

pub use budgets::{Budgets, StoredBudget};
pub use changes::Changes;
pub use error::{
    CreateError, DeleteError, ModifyError, OpenError, StoreError, Unavailable, UnreadableTenant,
};
pub use keys::Resealed;
pub use leases::Lease;
pub use sealing::Keyring;
pub use stored::{Origin, Reauthorization, StoredApplication, StoredCredentials, StoredTenant};
pub use tenants::Counts;
pub use url::{InvalidStoreUrl, StoreUrl};

use std::sync::Arc;

use pool::Pool;

/// The store. Cheap to clone.
///
/// Each method is limited in time: what the database does not do in it fails as [`StoreError::Unavailable`], and whether
/// it was done is not known then.
#[derive(Clone, Debug)]
pub struct Store {
    pool: Pool,
    keyring: Keyring,
    /// The right to be the only service on an SQLite file, for as long as a clone of the store lives.
    _only: Option<Arc<std::fs::File>>,
}

/// As what the store is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// The service: creates and migrates what is missing, holds an SQLite file for itself, and needs every key that is in
    /// use.
    Service,
    /// A command of the operator beside a running service: changes no table, and locks nobody out.
    Maintenance,
}
