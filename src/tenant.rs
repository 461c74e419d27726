//! Tenants: the portals that callers may act for, with the credentials to do so.

mod applications;
mod directory;
mod file;
mod id;
pub mod sealing;
pub(crate) mod secret_source;
mod store;
mod stored;

pub use applications::{Application, ApplicationName, Applications, InvalidApplicationName};
pub use directory::{Directory, NotPermitted, Tenant};
pub(crate) use file::TenantsFile;
pub use id::{InvalidTenantId, TenantId};
pub(crate) use secret_source::Alphabet;
pub use store::{
    Access, Changes, Counts, CreateError, DeleteError, InvalidStoreUrl, Lease, ModifyError,
    OpenError, Resealed, Store, StoreError, StoreUrl, Unavailable, UnreadableTenant,
};
pub use stored::{Origin, Reauthorization, StoredApplication, StoredCredentials, StoredTenant};
