//! Tenants for tests that need no store.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio_util::task::TaskTracker;

use super::directory::{Directory, Tenant};
use super::record::{Judgement, Record};
use super::{Applications, PortalAccess};
use crate::metrics::Metrics;
use bitrix24::{AuthorizationServer, Client, HostName, Policy, Suffix, TenantId};
use store::{Origin, Store, StoredCredentials, StoredTenant};

/// A tenant with a webhook.
pub(crate) fn tenant(id: &str) -> Tenant {
    let stored = StoredTenant {
        id: TenantId::parse(id).unwrap(),
        display_name: String::new(),
        portal: "acme.bitrix24.com".to_owned(),
        member_id: None,
        plan: None,
        credentials: StoredCredentials::Webhook {
            user_id: 1,
            secret: "a".into(),
        },
        disabled: false,
        reauthorization: None,
        origin: Origin::Api,
        file_fingerprint: None,
        revision: 1,
        created_at: Timestamp::UNIX_EPOCH,
        updated_at: Timestamp::UNIX_EPOCH,
    };
    Tenant::of_record(Arc::new(Record::judge(&stored, &judgement()).unwrap()))
}

/// Access to portals that never has to refresh a token.
pub(crate) fn access(store: Store, client: Client, metrics: Metrics) -> PortalAccess {
    let directory = Directory::new(store.clone(), judgement(), 10, metrics.clone());
    let (timeout, tasks) = (Duration::from_secs(1), TaskTracker::new());
    PortalAccess::new(directory, store, client, timeout, &tasks, metrics)
}

fn judgement() -> Judgement {
    let policy = Policy {
        allowed_suffixes: vec![Suffix::parse("bitrix24.com").unwrap()],
        authorization_servers: vec![HostName::parse("oauth.bitrix.info").unwrap()],
        ..Policy::default()
    };
    Judgement {
        default_server: AuthorizationServer::parse("oauth.bitrix.info", &policy).unwrap(),
        policy,
        applications: Applications::new(Vec::new()),
    }
}
