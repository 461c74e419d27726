//! A stored tenant with its secrets opened.

use jiff::Timestamp;
use secrecy::SecretString;

use bitrix24::{ClientId, MemberId, Plan, TenantId};

/// A stored tenant. Its `Debug` form shows no secret.
///
/// Addresses are unchecked texts: the directory checks them against the operator's current settings
/// when it loads the tenant.
#[derive(Clone, Debug)]
pub struct StoredTenant {
    /// The tenant's id, which never changes.
    pub id: TenantId,
    /// The name for people; may be empty. At most 200 characters.
    pub display_name: String,
    /// The portal's address: a host name, or `http://127.0.0.1:PORT` for the sandbox.
    pub portal: String,
    /// The portal's own id, once it is known.
    pub member_id: Option<MemberId>,
    /// The rate limit of the portal, if one was given; otherwise [`Plan::usual`] applies.
    pub plan: Option<Plan>,
    /// The credentials for the portal.
    pub credentials: StoredCredentials,
    /// Whether calls for the tenant are refused.
    pub disabled: bool,
    /// Set while the tenant needs reauthorization.
    pub reauthorization: Option<Reauthorization>,
    /// Who created the tenant.
    pub origin: Origin,
    /// Fingerprint of the tenants file's entry that was last applied; `None` if there never was
    /// one.
    pub file_fingerprint: Option<[u8; 32]>,
    /// When the newest installation event that was applied was sent, by Bitrix24's clock; `None` if
    /// there was none. An older event comes too late.
    pub last_event: Option<Timestamp>,
    /// Starts at 1 and grows with every change of the tenant.
    pub revision: i64,
    /// When the tenant was created.
    pub created_at: Timestamp,
    /// When the tenant was last changed, by a person or by a refresh.
    pub updated_at: Timestamp,
}

/// Stored credentials of a portal.
#[derive(Clone, Debug)]
pub enum StoredCredentials {
    /// An incoming webhook.
    Webhook {
        /// The portal's user that the webhook acts for, 1 or more.
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
    /// The application's id; without it tokens cannot be refreshed.
    pub client_id: Option<ClientId>,
    /// The application's secret, if the tenant has its own application. Otherwise the settings have
    /// it in `applications`.
    pub client_secret: Option<SecretString>,
    /// The host that issues tokens; without it, `authorization.default_server`.
    pub authorization_server: Option<String>,
    /// Proves the origin of the portal's events.
    pub application_token: Option<SecretString>,
    /// The granted permissions, as far as known.
    pub scopes: Vec<String>,
    /// The number of this token pair: starts at 1 and grows by one with every new pair.
    pub generation: i64,
    /// The access token, valid for an hour; `None` before the first refresh.
    pub access_token: Option<SecretString>,
    /// When the access token expires, by this machine's clock; `None` if unknown.
    pub access_token_expires_at: Option<Timestamp>,
    /// The refresh token. Single-use: each refresh returns a new pair.
    pub refresh_token: Option<SecretString>,
}

/// Why the tenant needs reauthorization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reauthorization {
    /// The authorization server's code or our own, at most 100 characters. Not secret.
    pub cause: String,
    /// Since when the tenant needs it.
    pub since: Timestamp,
}

/// Who created a tenant.
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
    /// The application's credentials; `None` for a webhook.
    pub fn application(&self) -> Option<&StoredApplication> {
        match &self.credentials {
            StoredCredentials::Application(application) => Some(application),
            StoredCredentials::Webhook { .. } => None,
        }
    }
}
