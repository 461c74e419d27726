//! The tenants of the scenes: one with a webhook, and one with an application whose token is valid.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use store::{StoredApplication, StoredCredentials};

use super::service::Files;
use super::stored;

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
    let store = stored::open(folder, None).await;
    let application = StoredApplication {
        generation: 1,
        access_token: Some("an-access-token-of-forty-characters-or-so".into()),
        access_token_expires_at: Some(Timestamp::now() + VALID),
        ..StoredApplication::default()
    };
    let credentials = StoredCredentials::Application(application);
    stored::add(&store, "app", format!("http://{portal}"), credentials).await;
}
