//! Stores tenants with their sealed credentials, the ledger of calls and the shared budgets, in an
//! SQLite file or in PostgreSQL.
//!
//! Both databases have the same tables and run the same statements; see `pool.rs`.

mod budgets;
mod changes;
mod comparison;
mod copy;
mod entries;
mod error;
mod fed;
mod inspection;
pub mod key_text;
mod leases;
pub mod ledger;
mod log;
mod migrations;
mod open;
mod opened_file;
mod pool;
mod postgresql;
mod probe;
mod pulse;
mod record;
mod replicas;
mod reseal;
mod row;
pub mod sealing;
#[cfg(feature = "simulation")]
pub mod simulation;
mod spares;
mod sqlite;
mod stored;
mod tenants;
mod url;
#[cfg(feature = "simulation")]
mod weather;
pub mod weekly_limits;

pub use budgets::{Asked, Budgets, KnownAccount, StoredBudget};
pub use changes::Changes;
pub use copy::{CopiedTable, CopyError, CopyStep, StoreCopy};
pub use entries::{Applied, ENTRIES_IN_GROUP};
pub use error::{
    CreateError, DeleteError, ModifyError, OpenError, StoreError, Unavailable, UnreadableTenant,
};
pub use inspection::{Found, Inspection};
pub use leases::{Previous, RefreshLease};
pub use open::{Access, Store};
pub use replicas::Serving;
pub use reseal::Resealed;
pub use sealing::Keyring;
pub use stored::{Origin, Reauthorization, StoredApplication, StoredCredentials, StoredTenant};
pub use tenants::Counts;
pub use url::{InvalidStoreUrl, PostgresqlUrl, StoreUrl};
