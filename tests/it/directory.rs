//! Tenants as callers see them: who may use which, and how changes made elsewhere come about.

mod changes;
mod outage;
mod unreadable;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use bitrix24_openlines::api::openlines::v1 as api;
use bitrix24_openlines::testing::auth::NewKey;
use futures_util::future::join_all;
use jiff::Timestamp;
use sandbox::{Moment, demo};
use secrecy::SecretString;
use store::{Origin, StoredCredentials, StoredTenant};
use tokio::time::Instant;
use tonic::{Code, Status};

use crate::refresh::{Office, Opening};
use crate::support::admin::{free_address, sample};
use crate::support::requests::crm_message;
use crate::support::stores::{Stores, change, id, on_both_stores};
use crate::support::{APPLICATION, REFRESHABLE, Service, Told, WEBHOOK, World, with_key};

on_both_stores!(
    a_disabled_tenant_is_refused_until_it_is_enabled,
    a_portal_that_the_settings_do_not_allow_is_not_called,
    a_tenant_that_is_deleted_during_a_refresh_does_not_come_back,
    more_tenants_than_fit_into_memory_all_work,
);

/// How long a change made elsewhere may take to be seen, with room for a slow machine.
const SEEN: Duration = Duration::from_secs(3);

/// An office with an admin port.
async fn office(stores: Stores, settings: &[(&str, &str)]) -> (Office, SocketAddr) {
    let opening = Opening {
        settings,
        ..Opening::default()
    };
    let office = Office::begin(stores, opening).await;
    let admin = office.admin;
    (office, admin)
}

impl Office {
    /// A tenant with the webhook of the sandbox, which nobody has stored yet.
    fn hook(&self, name: &str) -> StoredTenant {
        StoredTenant {
            id: id(name),
            display_name: String::new(),
            portal: format!("http://{}", self.sandbox.address()),
            member_id: None,
            plan: None,
            credentials: StoredCredentials::Webhook {
                user_id: 1,
                secret: SecretString::from(demo::WEBHOOK_SECRET),
            },
            disabled: false,
            reauthorization: None,
            origin: Origin::Api,
            file_fingerprint: None,
            last_event: None,
            revision: 0,
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
        }
    }

    /// Calls until this is the answer, and fails if it takes too long.
    async fn soon(&self, service: &Service, tenant: &str, expected: &str) {
        let begun = Instant::now();
        loop {
            let answer = self.call_of(service, tenant, "Hello").await;
            let answer = answer.map_or_else(|status| status.reason(), |()| "OK".to_owned());
            if answer == expected {
                return;
            }
            assert!(begun.elapsed() < SEEN, "{answer} in place of {expected}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// How many tenants were looked up in the store, with this end.
async fn loads(admin: SocketAddr, end: &str) -> u64 {
    sample(
        admin,
        &format!("openlines_tenant_loads_total{{end=\"{end}\"}}"),
    )
    .await
}

/// A service with a caller who may act for some tenants only, one of which there is not.
async fn limited() -> (World, SocketAddr) {
    let mut world = World::start().await;
    let admin = free_address();
    let key = NewKey::generate().unwrap();
    let auth = format!(
        "auth:\n  callers:\n  - {{name: limited, tenants: [{WEBHOOK}, granted-but-absent], keys: ['{}']}}\n",
        key.entry()
    );
    let settings = [("ADMIN_LISTEN", &*admin.to_string())];
    let tenants = crate::support::tenants(world.sandbox.address());
    world.service = Service::with_auth(key, &auth, &settings, &tenants).await;
    (world, admin)
}

async fn ask(service: &Service, tenant: &str) -> Result<(), Status> {
    let mut client = service.client().await;
    let message = api::SendCrmMessageRequest {
        tenant_id: tenant.to_owned(),
        ..crm_message("Hello")
    };
    let request = with_key(message, service.key.expose());
    client.send_crm_message(request).await.map(|_| ())
}

/// All that a caller sees, without the id it gave and the id of the request.
fn shown(status: &Status, tenant: &str) -> String {
    let details = status.details_of();
    let mut metadata: Vec<_> = details.error_info().unwrap().metadata.iter().collect();
    metadata.sort();
    let mut rest = details.clone();
    let info = details.error_info().unwrap();
    rest.set_error_info(&*info.reason, &*info.domain, HashMap::new());
    let request = &details.request_info().unwrap().request_id;
    let (code, message) = (status.code(), status.message());
    let text = format!("{code:?} {message} {metadata:?} {rest:?}");
    text.replace(tenant, "TENANT").replace(request, "REQUEST")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_and_forbidden_tenants_look_the_same() {
    let (world, _) = limited().await;
    ask(&world.service, WEBHOOK).await.unwrap();
    let mut seen = Vec::new();
    // One that is there and not granted, one that is granted and not there, one that is neither;
    // each twice.
    for tenant in [APPLICATION, "granted-but-absent", "neither"] {
        for _ in 0..2 {
            let status = ask(&world.service, tenant).await.unwrap_err();
            assert_eq!(status.reason(), "TENANT_NOT_PERMITTED");
            assert_eq!(status.code(), Code::PermissionDenied);
            assert_eq!(status.outcome(), "not_executed");
            seen.push(shown(&status, tenant));
        }
    }
    assert!(seen.iter().all(|one| one == &seen[0]), "{seen:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guesses_never_reach_the_store() {
    let (world, admin) = limited().await;
    ask(&world.service, WEBHOOK).await.unwrap();
    assert_eq!(loads(admin, "loaded").await, 1);
    for number in 0..30 {
        let guess = format!("guess-{number}");
        ask(&world.service, &guess).await.unwrap_err();
        ask(&world.service, APPLICATION).await.unwrap_err();
    }
    assert_eq!(loads(admin, "loaded").await, 1);
    assert_eq!(loads(admin, "absent").await, 0);
    // What is granted and absent is looked up once.
    for _ in 0..20 {
        ask(&world.service, "granted-but-absent").await.unwrap_err();
    }
    assert_eq!(loads(admin, "absent").await, 1);
    assert_eq!(loads(admin, "failed").await, 0);
}

async fn a_disabled_tenant_is_refused_until_it_is_enabled(stores: Stores) {
    let office = Office::open(stores).await;
    office.call("before").await.unwrap();
    change(&office.store, REFRESHABLE, |tenant| tenant.disabled = true).await;
    office
        .soon(&office.service, REFRESHABLE, "TENANT_DISABLED")
        .await;
    office.sandbox.clear_record();
    let status = office.call("disabled").await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert_eq!(status.outcome(), "not_executed");
    assert!(office.sandbox.record().entries.is_empty());
    change(&office.store, REFRESHABLE, |tenant| tenant.disabled = false).await;
    office.soon(&office.service, REFRESHABLE, "OK").await;
}

async fn a_portal_that_the_settings_do_not_allow_is_not_called(stores: Stores) {
    let office = Office::open(stores).await;
    let allowed = office.tenant().await.portal;
    office.call("before").await.unwrap();
    for forbidden in ["portal.evil.example", "http://10.0.0.1:80", "https://x/"] {
        change(&office.store, REFRESHABLE, |tenant| {
            tenant.portal = forbidden.to_owned();
        })
        .await;
        office
            .soon(&office.service, REFRESHABLE, "PORTAL_ADDRESS_FORBIDDEN")
            .await;
        let status = office.call("forbidden").await.unwrap_err();
        assert_eq!(status.outcome(), "not_executed", "{forbidden}");
        change(&office.store, REFRESHABLE, |tenant| {
            tenant.portal.clone_from(&allowed);
        })
        .await;
        office.soon(&office.service, REFRESHABLE, "OK").await;
    }
    assert_eq!(office.sandbox.record().times_delivered("forbidden"), 0);
}

async fn a_tenant_that_is_deleted_during_a_refresh_does_not_come_back(stores: Stores) {
    let (office, gate) = Office::held(stores, Moment::After).await;
    office.call("before").await.unwrap();
    office.expire();
    let deleted = async {
        office.token_requests_have_come(1).await;
        office.store.delete(&id(REFRESHABLE), None).await.unwrap();
        gate.open();
    };
    let (answer, ()) = tokio::join!(office.call("during"), deleted);
    let status = answer.unwrap_err();
    assert_eq!(status.reason(), "TENANT_NOT_PERMITTED", "{status:?}");
    assert_eq!(office.refreshes(), 1, "the refresh was in progress");
    office
        .soon(&office.service, REFRESHABLE, "TENANT_NOT_PERMITTED")
        .await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let status = office.call("after").await.unwrap_err();
    assert_eq!(status.reason(), "TENANT_NOT_PERMITTED");
    assert!(
        office
            .store
            .tenant(&id(REFRESHABLE))
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(office.sandbox.record().times_delivered("during"), 0);
}

async fn more_tenants_than_fit_into_memory_all_work(stores: Stores) {
    let (office, admin) = office(stores, &[("TENANTS_MAXIMUM_CACHED", "100")]).await;
    let names: Vec<String> = (0..300).map(|number| format!("hook-{number}")).collect();
    for name in &names {
        office.store.create(&office.hook(name)).await.unwrap();
    }
    for _ in 0..2 {
        for names in names.chunks(30) {
            let calls = names
                .iter()
                .map(|name| office.call_of(&office.service, name, "Hello"));
            let answers = join_all(calls).await;
            assert!(answers.iter().all(Result::is_ok), "{answers:?}");
        }
    }
    let loaded = loads(admin, "loaded").await;
    assert!((450..=600).contains(&loaded), "{loaded}");
    assert_eq!(office.sandbox.record().times_delivered("Hello"), 600);
    // What is in memory follows changes all the same.
    change(&office.store, &names[299], |tenant| tenant.disabled = true).await;
    office
        .soon(&office.service, &names[299], "TENANT_DISABLED")
        .await;
}
