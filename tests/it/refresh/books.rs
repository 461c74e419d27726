//! What the sandbox's books say of the tenant's pair of tokens, beside what the store has.

use std::time::Duration;

use sandbox::{Event, EventKind, Sandbox, demo};
use secrecy::{ExposeSecret, SecretString};
use store::Store;

use crate::support::REFRESHABLE;
use crate::support::stores::{application_of, change, id};

/// Whether the stored pair is the one that works at the portal.
pub(super) async fn has_the_live_pair(sandbox: &Sandbox, store: &Store) -> bool {
    let tenant = store.tenant(&id(REFRESHABLE)).await.unwrap().unwrap();
    let stored = tenant.application().unwrap();
    let live = sandbox.current_pair(demo::HOST, demo::CLIENT_ID).unwrap();
    let is = |stored: &Option<SecretString>, live: &SecretString| {
        let stored = stored.as_ref().map(ExposeSecret::expose_secret);
        stored == Some(live.expose_secret())
    };
    is(&stored.access_token, &live.access_token) && is(&stored.refresh_token, &live.refresh_token)
}

/// The portal's administrator installs the application again, the pair is entered, and every
/// directory has followed.
pub(super) async fn authorize_anew(sandbox: &Sandbox, store: &Store) {
    let install = Event::new(EventKind::AppInstall, "http://127.0.0.1:9/").of(demo::CLIENT_ID);
    sandbox.event_form(demo::HOST, &install).unwrap();
    let pair = sandbox.current_pair(demo::HOST, demo::CLIENT_ID).unwrap();
    change(store, REFRESHABLE, |tenant| {
        let application = application_of(tenant);
        application.access_token = Some(pair.access_token.clone());
        application.refresh_token = Some(pair.refresh_token.clone());
        application.access_token_expires_at = None;
        tenant.reauthorization = None;
    })
    .await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
}
