//! The tenants of the scenes: one with a webhook, and one with an application whose token is valid.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use store::{StoredApplication, StoredCredentials};

use super::service::Files;
use super::stored;

/// Longer than any run.
const VALID: Duration = Duration::from_secs(24 * 60 * 60);

/// Files with the tenant `hook`, with more of its fields, more settings of portals and more others.
pub(crate) fn files(
    store_url: Option<&str>,
    portal: &str,
    fields: &str,
    portals: &str,
    settings: &str,
) -> Arc<Files> {
    let tenant = format!(
        "- {{id: hook, portal: '{portal}', webhook: {{user_id: 1, secret: {{inline: xk3b1hkvi0hn3b44}}}}{fields}}}\n"
    );
    Files::write_with_more("", portals, store_url, &tenant, settings)
}

/// Puts the tenant `app` into the store of a service that has not started yet.
pub(crate) async fn add_application(folder: &Path, store_url: Option<&str>, portal: String) {
    let store = stored::open(folder, store_url).await;
    let application = StoredApplication {
        generation: 1,
        access_token: Some("an-access-token-of-forty-characters-or-so".into()),
        access_token_expires_at: Some(Timestamp::now() + VALID),
        ..StoredApplication::default()
    };
    let credentials = StoredCredentials::Application(application);
    stored::add(&store, "app", portal, credentials).await;
}
