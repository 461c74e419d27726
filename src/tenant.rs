//! Tenants: portals with their credentials.
//!
//! The [`Directory`] caches the tenants in use and proves that a caller may act for one.
//! [`PortalAccess`] gives a call the tenant's current credential. [`reconcile`] applies the tenants
//! file to the store.

mod access;
mod applications;
mod directory;
mod file;
mod reconcile;
mod record;
mod secret_source;
mod settings;
mod watch;

pub(crate) use access::UNINSTALLED;
pub use access::{AccessError, MoveRefused, Opened, PortalAccess};
pub use applications::{Application, ApplicationName, Applications, InvalidApplicationName};
pub use directory::{Directory, ResolveError, Tenant, follow};
pub use file::TenantsSource;
pub use reconcile::{Reconciled, reconcile};
pub use record::{Judgement, Unusable};
pub use settings::{ListedTenants, TenantSettings};
pub use watch::{WatchedKeyring, WatchedTenants, watch};
