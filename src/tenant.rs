//! Tenants: the portals that callers may act for, with the credentials to do so.
//!
//! The [`Store`] keeps them, secrets sealed. The [`Directory`] has those in memory that calls are made for, and proves that a caller
//! may act for one. [`PortalAccess`] gives a call what opens the portal now. The tenants file is taken over by [`reconcile`].

mod access;
mod applications;
mod directory;
mod file;
mod reconcile;
mod record;
mod secret_source;
mod settings;
mod watch;

pub use access::{AccessError, MoveRefused, Opened, PortalAccess};
pub use applications::{Application, ApplicationName, Applications, InvalidApplicationName};
pub use directory::{Directory, ResolveError, Tenant, follow};
pub use file::TenantsSource;
pub use reconcile::{Reconciled, reconcile};
pub use record::{Judgement, Unusable};
pub use settings::{ListedTenants, TenantSettings};
pub use watch::{WatchedKeyring, WatchedTenants, watch};
