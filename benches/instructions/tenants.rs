//! The tenants of the scenes: one with a webhook, and one with an application whose token is valid.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bitrix24::TenantId;
use jiff::Timestamp;
use store::sealing::Keyring;
use store::{Access, Origin, Store, StoreUrl, StoredApplication, StoredCredentials, StoredTenant};

use super::service::Files;

/// Longer than any run.
const VALID: Duration = Duration::from_secs(24 * 60 * 60);

/// Files with the tenant `hook`, with more of its fields and more settings.
pub(crate) fn files(portal: SocketAddr, fields: &str, settings: &str) -> Arc<Files> {
    let tenant = format!(
        "- {{id: hook, portal: 'http://{portal}', webhook: {{user_id: 1, secret: {{inline: xk3b1hkvi0hn3b44}}}}{fields}}}\n"
    );
    Files::write(None, &tenant, settings)
}

/// Puts the tenant `app` into the store of a service that has not started yet.
pub(crate) async fn add_application(folder: &Path, portal: SocketAddr) {
    let keyring = std::fs::read_to_string(folder.join("keyring")).unwrap();
    let keyring = Keyring::parse(&keyring).unwrap();
    let url = format!("sqlite:{}", folder.join("openlines.db").display());
    let url = StoreUrl::parse(&url).unwrap();
    let store = Store::open(&url, keyring, Access::Service).await.unwrap();
    let application = StoredApplication {
        generation: 1,
        access_token: Some("an-access-token-of-forty-characters-or-so".into()),
        access_token_expires_at: Some(Timestamp::now() + VALID),
        ..StoredApplication::default()
    };
    let tenant = StoredTenant {
        id: TenantId::parse("app").unwrap(),
        display_name: String::new(),
        portal: format!("http://{portal}"),
        member_id: None,
        plan: None,
        credentials: StoredCredentials::Application(application),
        disabled: false,
        reauthorization: None,
        origin: Origin::Api,
        file_fingerprint: None,
        last_event: None,
        revision: 0,
        created_at: Timestamp::UNIX_EPOCH,
        updated_at: Timestamp::UNIX_EPOCH,
    };
    store.create(&tenant).await.unwrap();
}
