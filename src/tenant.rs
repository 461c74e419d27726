//! Tenants: the portals that callers may act for, with the credentials to do so.

mod applications;
mod directory;
mod file;
mod id;
pub(crate) mod secret_source;
mod stored;

pub use applications::{Application, ApplicationName, Applications, InvalidApplicationName};
pub use directory::{Directory, NotPermitted, Tenant};
pub(crate) use file::TenantsFile;
pub use id::{InvalidTenantId, TenantId};
pub(crate) use secret_source::Alphabet;
pub use stored::{Origin, Reauthorization, StoredApplication, StoredCredentials, StoredTenant};
