//! What the tests of this crate share. The service's own tests include its modules too.

pub(crate) mod calls;
pub(crate) mod proxy;
pub(crate) mod stores;

use secrecy::{ExposeSecret, SecretString};
use store::{Keyring, Store, StoredCredentials, StoredTenant};

use self::stores::Stores;

impl Stores {
    /// Another replica's view of the same data; on SQLite, where there is no other, the service's
    /// own.
    pub(crate) async fn replica(&self, store: &Store, keyring: &Keyring) -> Store {
        if self.is_shared() {
            self.open(keyring).await
        } else {
            store.clone()
        }
    }
}

/// All of a tenant including its secrets, to compare two tenants.
pub(crate) fn everything(tenant: &StoredTenant) -> String {
    let exposed = |secret: &Option<SecretString>| {
        let secret = secret.as_ref().map(ExposeSecret::expose_secret);
        secret.map(str::to_owned)
    };
    let secrets = match &tenant.credentials {
        StoredCredentials::Webhook { secret, .. } => vec![exposed(&Some(secret.clone()))],
        StoredCredentials::Application(application) => vec![
            exposed(&application.client_secret),
            exposed(&application.application_token),
            exposed(&application.access_token),
            exposed(&application.refresh_token),
        ],
    };
    format!("{tenant:?} {secrets:?}")
}
