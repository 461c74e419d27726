//! Tenants: the portals that callers may act for, with the credentials to do so.
//!
//! The [`Store`] keeps them, secrets sealed. The [`Directory`] has those in memory that calls are made for, and proves that a caller
//! may act for one. [`PortalAccess`] gives a call what opens the portal now. The tenants file is taken over by [`reconcile`].

mod access;
mod applications;
mod directory;
mod file;
mod id;
mod plan;
mod reconcile;
mod record;
pub mod sealing;
pub(crate) mod secret_source;
mod store;
mod stored;
mod watch;

pub use access::{AccessError, MoveRefused, Opened, PortalAccess};
pub use applications::{Application, ApplicationName, Applications, InvalidApplicationName};
pub use directory::{Directory, ResolveError, Tenant, follow};
pub(crate) use file::TenantsFile;
pub use file::TenantsSource;
pub use id::{InvalidTenantId, TenantId};
pub use plan::{Intensity, InvalidIntensity, Plan};
pub use reconcile::{Reconciled, reconcile};
pub use record::{Judgement, Unusable};
pub use sealing::Keyring;
pub(crate) use secret_source::Alphabet;
pub use store::{
    Access, Budgets, Changes, Counts, CreateError, DeleteError, InvalidStoreUrl, Lease,
    ModifyError, OpenError, Resealed, Store, StoreError, StoreUrl, StoredBudget, Unavailable,
    UnreadableTenant, ledger,
};
pub use stored::{Origin, Reauthorization, StoredApplication, StoredCredentials, StoredTenant};
pub use watch::{WatchedKeyring, WatchedTenants, watch};
