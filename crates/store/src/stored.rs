//! A tenant as the store keeps it, with its secrets opened.

use jiff::Timestamp;
use secrecy::SecretString;

use bitrix24::Plan;
use bitrix24::TenantId;
use bitrix24::{ClientId, MemberId};

/// A tenant as the store keeps it. Its `Debug` form shows no secret.
///
/// Addresses are texts here: whether they may be called is judged by the operator's settings of today, when the tenant
/// is taken into the directory.
#[derive(Clone, Debug)]
pub struct StoredTenant {
    /// The tenant's id, which never changes.
    pub id: TenantId,
    /// What people call it; may be empty. At most 200 characters.
    pub display_name: String,
    /// The portal's address: a host name, or `http://127.0.0.1:PORT` for the sandbox.
    pub portal: String,
    /// The portal's own id, once it is known.
    pub member_id: Option<MemberId>,
    /// How many requests the portal takes, if somebody has said it; otherwise it is [`Plan::usual`].
    pub plan: Option<Plan>,
    /// What opens the portal.
    pub credentials: StoredCredentials,
    /// Whether calls for the tenant are refused.
    pub disabled: bool,
    /// That and why a person has to authorize the service anew.
    pub reauthorization: Option<Reauthorization>,
    /// Who entered the tenant.
    pub origin: Origin,
    /// SHA-256 of the entry in the tenants file that was last taken over; none if it never came from there.
    pub file_fingerprint: Option<[u8; 32]>,
    /// Grows with every change of the tenant, from 1. What changes are compared with.
    pub revision: i64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed, by a person or by a refresh.
    pub updated_at: Timestamp,
}

/// What opens a portal, as it is stored.
#[derive(Clone, Debug)]
pub enum StoredCredentials {
    /// An incoming webhook.
    Webhook {
        /// The portal's user in whose name the webhook acts, 1 or more.
        user_id: u64,
        /// ASCII letters and digits.
        secret: SecretString,
    },
    /// An application.
    Application(StoredApplication),
}

/// An application's credentials for one portal.
#[derive(Clone, Debug, Default)]
pub struct StoredApplication {
    /// Which application; without it nothing can be refreshed.
    pub client_id: Option<ClientId>,
    /// Its secret, if this tenant has an application of its own. Otherwise it stands in the settings, below
    /// `applications`.
    pub client_secret: Option<SecretString>,
    /// The host that grants tokens; without it, `authorization.default_server`.
    pub authorization_server: Option<String>,
    /// What proves the origin of the portal's events.
    pub application_token: Option<SecretString>,
    /// The permissions that were granted, as far as they are known.
    pub scopes: Vec<String>,
    /// Which pair of tokens this is: grows by one with every new pair, from 1.
    pub generation: i64,
    /// What opens the portal for an hour; none before the first refresh.
    pub access_token: Option<SecretString>,
    /// When the access token expires, by this machine's clock; none if nobody said.
    pub access_token_expires_at: Option<Timestamp>,
    /// What buys the next pair, once.
    pub refresh_token: Option<SecretString>,
}

/// Why a person has to act before the tenant works again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reauthorization {
    /// The authorization server's code, or our own word for it, at most 100 characters. No secret.
    pub cause: String,
    /// Since when.
    pub since: Timestamp,
}

/// Who entered a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The tenants file.
    File,
    /// A caller of the tenant service.
    Api,
    /// An administrator who installed the application on the portal.
    Installation,
}

impl StoredTenant {
    /// The application's credentials, if the tenant has such.
    pub fn application(&self) -> Option<&StoredApplication> {
        match &self.credentials {
            StoredCredentials::Application(application) => Some(application),
            StoredCredentials::Webhook { .. } => None,
        }
    }
}
