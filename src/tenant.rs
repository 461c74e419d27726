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

pub use access::PortalAccess;
#[cfg(test)]
pub(crate) use access::scripted;
pub(crate) use access::{AccessError, Opened};
pub(crate) use access::{OUR_CAUSES, UNINSTALLED};
pub use applications::{Application, ApplicationName, Applications};
pub use directory::{Directory, follow};
pub(crate) use directory::{ResolveError, Tenant};
pub(crate) use file::{keys as file_keys, schema as file_schema};
pub use reconcile::reconcile;
pub use record::Judgement;
pub(crate) use record::Unusable;
pub(crate) use secret_source::{Alphabet, read as read_secret};
pub(crate) use settings::{ListedTenants, TenantSettings};
pub(crate) use watch::{WatchedKeyring, WatchedTenants, watch};

#[cfg(test)]
pub(crate) mod sample;
