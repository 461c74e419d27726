//! Tenants for tests that need no store.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::Applications;
use super::directory::Tenant;
use super::record::{Judgement, Record};
use bitrix24::{AuthorizationServer, HostName, Policy, Suffix, TenantId};
use store::{Origin, StoredApplication, StoredCredentials, StoredTenant};

/// A tenant with a webhook.
pub(crate) fn tenant(id: &str) -> Tenant {
    at(id, "acme.bitrix24.com")
}

/// A tenant with a webhook of this portal.
pub(crate) fn at(id: &str, portal: &str) -> Tenant {
    let credentials = StoredCredentials::Webhook {
        user_id: 1,
        secret: "a".into(),
    };
    of_record(&StoredTenant {
        portal: portal.to_owned(),
        ..stored(id, credentials)
    })
}

/// A tenant with an application, whose access token is valid for this long.
pub(crate) fn application(id: &str, valid_for: Duration) -> Tenant {
    let application = StoredApplication {
        client_id: None,
        client_secret: None,
        authorization_server: None,
        application_token: None,
        scopes: Vec::new(),
        generation: 1,
        access_token: Some("token".into()),
        access_token_expires_at: Some(Timestamp::now() + valid_for),
        refresh_token: None,
    };
    with_credentials(id, StoredCredentials::Application(application))
}

fn with_credentials(id: &str, credentials: StoredCredentials) -> Tenant {
    of_record(&stored(id, credentials))
}

fn of_record(stored: &StoredTenant) -> Tenant {
    Tenant::of_record(Arc::new(Record::judge(stored, &judgement()).unwrap()))
}

/// A tenant as the store has it.
pub(super) fn stored(id: &str, credentials: StoredCredentials) -> StoredTenant {
    StoredTenant {
        id: TenantId::parse(id).unwrap(),
        display_name: String::new(),
        portal: "acme.bitrix24.com".to_owned(),
        member_id: None,
        plan: None,
        credentials,
        disabled: false,
        reauthorization: None,
        origin: Origin::Api,
        file_fingerprint: None,
        last_event: None,
        revision: 1,
        created_at: Timestamp::UNIX_EPOCH,
        updated_at: Timestamp::UNIX_EPOCH,
    }
}

pub(super) fn judgement() -> Judgement {
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
