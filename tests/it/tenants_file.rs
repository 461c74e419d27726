//! The tenants file is applied at start and while the service runs, and never brings back old
//! tokens.

mod watched;

use std::net::SocketAddr;
use std::path::PathBuf;

use bitrix24::{Plan, RateLimit};
use bitrix24_openlines::api::openlines::v1 as api;
use bitrix24_openlines::testing::auth::NewKey;
use futures_util::future::join_all;
use sandbox::{Event, EventKind, Portal, Sandbox, demo};
use secrecy::ExposeSecret;
use store::sealing::Key;
use store::{Access, Origin, Store, StoredTenant};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::support::admin::{free_address, sample};
use crate::support::log::Log;
use crate::support::requests::crm_message;
use crate::support::stores::{Stores, change, id, keyring_of, keyring_text, on_both_stores};
use crate::support::{REFRESHABLE, Service, Told, caller, refreshable};

on_both_stores!(
    a_file_is_applied_at_start,
    an_unchanged_file_does_not_bring_used_tokens_back,
    a_changed_name_does_not_bring_used_tokens_back,
    changed_tokens_replace_the_stored_ones_and_lift_the_mark,
    a_tenant_that_the_file_no_longer_names_stays_and_works_and_is_counted,
    what_the_tenant_service_disabled_stays_disabled,
    a_plan_is_applied_and_stays_as_it_was_changed_until_the_entry_changes,
);

/// Settings and files of a service that is started several times on one store.
struct Deployment {
    sandbox: Sandbox,
    stores: Stores,
    key: Key,
    folder: TempDir,
    admin: SocketAddr,
}

impl Deployment {
    async fn new(stores: Stores) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let deployment = Self {
            sandbox: Sandbox::start(listener, vec![Portal::demo()]).unwrap(),
            stores,
            key: Key::generate().unwrap(),
            folder: tempfile::tempdir().unwrap(),
            admin: free_address(),
        };
        deployment.write(&refreshable(REFRESHABLE));
        deployment
    }

    fn tenants_file(&self) -> PathBuf {
        self.folder.path().join("tenants.yaml")
    }

    /// A tenants file of these entries.
    fn text(&self, entries: &str) -> String {
        let portal = self.sandbox.address().to_string();
        format!("tenants:\n{}", entries.replace("PORTAL", &portal))
    }

    fn write(&self, entries: &str) {
        std::fs::write(self.tenants_file(), self.text(entries)).unwrap();
    }

    /// Starts a service, and waits until it answers.
    async fn start(&self) -> Service {
        let admin = self.admin.to_string();
        let service = self.begin(&[("ADMIN_LISTEN", &admin)]).await;
        let _served = call(&service, "nobody").await;
        service
    }

    /// Starts a service with more settings.
    async fn begin(&self, more: &[(&str, &str)]) -> Service {
        let key = NewKey::generate().unwrap();
        let auth = caller(&key);
        let (keyring, tenants) = (keyring_text(&[&self.key]), self.tenants_file());
        let server = format!("http://{}", self.sandbox.address());
        let mut settings = vec![
            ("STORE_URL", self.stores.url()),
            ("TENANTS_FILE", tenants.to_str().unwrap()),
            ("AUTHORIZATION_DEFAULT_SERVER", server.as_str()),
            ("STORE_KEYRING", keyring.as_str()),
        ];
        settings.extend(more);
        Service::with_auth(key, &auth, &settings, "tenants: []\n").await
    }

    async fn restart(&self, service: Service) -> Service {
        stop(service).await;
        self.start().await
    }

    /// The store beside the service.
    async fn store(&self) -> Store {
        let keyring = keyring_of(&[&self.key]);
        let opened = self.stores.try_open(&keyring, Access::Maintenance).await;
        opened.unwrap()
    }

    async fn tenant(&self, name: &str) -> StoredTenant {
        let store = self.store().await;
        store.tenant(&id(name)).await.unwrap().unwrap()
    }

    fn expire(&self) {
        let expired = self
            .sandbox
            .expire_current_token(demo::HOST, demo::CLIENT_ID);
        assert!(expired);
    }

    async fn unlisted(&self) -> u64 {
        sample(self.admin, "openlines_unlisted_tenants").await
    }
}

async fn stop(mut service: Service) {
    service.stop();
    service.stopped().await.unwrap();
}

/// What a call comes to.
async fn call(service: &Service, tenant: &str) -> String {
    let mut client = service.client().await;
    let message = api::SendCrmMessageRequest {
        tenant_id: tenant.to_owned(),
        ..crm_message("Hello")
    };
    let answer = client.send_crm_message(service.request(message)).await;
    answer.map_or_else(|status| status.reason(), |_| "OK".to_owned())
}

/// The entry with a name for people.
fn named(entry: &str, name: &str) -> String {
    entry.replacen(
        "  portal:",
        &format!("  display_name: '{name}'\n  portal:"),
        1,
    )
}

async fn a_file_is_applied_at_start(stores: Stores) {
    let deployment = Deployment::new(stores).await;
    deployment.write(&named(&refreshable(REFRESHABLE), "The first"));
    let service = deployment.start().await;
    assert_eq!(call(&service, REFRESHABLE).await, "OK");
    let tenant = deployment.tenant(REFRESHABLE).await;
    assert_eq!(
        (tenant.display_name.as_str(), tenant.origin, tenant.revision),
        ("The first", Origin::File, 1)
    );
    // The same file again writes nothing.
    let service = deployment.restart(service).await;
    assert_eq!(call(&service, REFRESHABLE).await, "OK");
    assert_eq!(deployment.tenant(REFRESHABLE).await.revision, 1);
    assert_eq!(deployment.unlisted().await, 0);
}

async fn an_unchanged_file_does_not_bring_used_tokens_back(stores: Stores) {
    let deployment = Deployment::new(stores).await;
    let service = deployment.start().await;
    deployment.expire();
    assert_eq!(call(&service, REFRESHABLE).await, "OK");
    let service = deployment.restart(service).await;
    assert_eq!(call(&service, REFRESHABLE).await, "OK");
    assert_eq!(deployment.sandbox.record().refreshes(), 1);
    let tenant = deployment.tenant(REFRESHABLE).await;
    assert_eq!(tenant.application().unwrap().generation, 2);
}

async fn a_changed_name_does_not_bring_used_tokens_back(stores: Stores) {
    let deployment = Deployment::new(stores).await;
    let service = deployment.start().await;
    deployment.expire();
    assert_eq!(call(&service, REFRESHABLE).await, "OK");
    deployment.write(&named(&refreshable(REFRESHABLE), "Another"));
    let service = deployment.restart(service).await;
    let tenant = deployment.tenant(REFRESHABLE).await;
    assert_eq!(tenant.display_name, "Another");
    assert_eq!(call(&service, REFRESHABLE).await, "OK");
    assert_eq!(deployment.sandbox.record().refreshes(), 1);
    // The refresh token that was refreshed is there too.
    deployment.expire();
    assert_eq!(call(&service, REFRESHABLE).await, "OK");
    assert_eq!(deployment.sandbox.record().refreshes(), 2);
}

async fn changed_tokens_replace_the_stored_ones_and_lift_the_mark(stores: Stores) {
    let deployment = Deployment::new(stores).await;
    let service = deployment.start().await;
    deployment.expire();
    assert!(deployment.sandbox.revoke(demo::REFRESH_TOKEN));
    assert_eq!(
        call(&service, REFRESHABLE).await,
        "REAUTHORIZATION_REQUIRED"
    );
    let mark = deployment.tenant(REFRESHABLE).await.reauthorization;
    assert_eq!(mark.unwrap().cause, "invalid_grant");
    // A changed name alone lifts no mark.
    deployment.write(&named(&refreshable(REFRESHABLE), "Another"));
    let service = deployment.restart(service).await;
    assert_eq!(
        call(&service, REFRESHABLE).await,
        "REAUTHORIZATION_REQUIRED"
    );
    // The administrator installs the application again, and the new pair goes into the file.
    let event = Event::new(EventKind::AppInstall, "http://127.0.0.1:1/").of(demo::CLIENT_ID);
    deployment.sandbox.event_form(demo::HOST, &event).unwrap();
    let pair = deployment
        .sandbox
        .current_pair(demo::HOST, demo::CLIENT_ID)
        .unwrap();
    let entry = refreshable(REFRESHABLE)
        .replace(demo::ACCESS_TOKEN, pair.access_token.expose_secret())
        .replace(demo::REFRESH_TOKEN, pair.refresh_token.expose_secret());
    deployment.write(&entry);
    let service = deployment.restart(service).await;
    assert_eq!(call(&service, REFRESHABLE).await, "OK");
    assert_eq!(deployment.tenant(REFRESHABLE).await.reauthorization, None);
    deployment.expire();
    assert_eq!(call(&service, REFRESHABLE).await, "OK");
    assert_eq!(deployment.sandbox.record().refreshes(), 1);
}

async fn a_tenant_that_the_file_no_longer_names_stays_and_works_and_is_counted(stores: Stores) {
    let deployment = Deployment::new(stores).await;
    let service = deployment.start().await;
    assert_eq!(deployment.unlisted().await, 0);
    std::fs::write(deployment.tenants_file(), "tenants: []\n").unwrap();
    let service = deployment.restart(service).await;
    assert_eq!(deployment.unlisted().await, 1);
    deployment.expire();
    assert_eq!(call(&service, REFRESHABLE).await, "OK");
    let tenant = deployment.tenant(REFRESHABLE).await;
    assert_eq!((tenant.disabled, tenant.origin), (false, Origin::File));
    // It is named again: nothing but the report changes.
    deployment.write(&refreshable(REFRESHABLE));
    let service = deployment.restart(service).await;
    assert_eq!(deployment.unlisted().await, 0);
    assert_eq!(call(&service, REFRESHABLE).await, "OK");
    assert_eq!(deployment.sandbox.record().refreshes(), 1);
}

async fn what_the_tenant_service_disabled_stays_disabled(stores: Stores) {
    let deployment = Deployment::new(stores).await;
    let service = deployment.start().await;
    let store = deployment.store().await;
    change(&store, REFRESHABLE, |tenant| tenant.disabled = true).await;
    deployment.write(&named(&refreshable(REFRESHABLE), "Another"));
    let service = deployment.restart(service).await;
    assert_eq!(call(&service, REFRESHABLE).await, "TENANT_DISABLED");
    assert_eq!(deployment.tenant(REFRESHABLE).await.display_name, "Another");
}

async fn a_plan_is_applied_and_stays_as_it_was_changed_until_the_entry_changes(stores: Stores) {
    let planned = |plan: &str| {
        refreshable(REFRESHABLE).replacen("  portal:", &format!("  plan: {plan}\n  portal:"), 1)
    };
    let deployment = Deployment::new(stores).await;
    deployment.write(&planned("{burst: 100, per_second: 3}"));
    let service = deployment.start().await;
    assert_eq!(call(&service, REFRESHABLE).await, "OK");
    let own = Plan::Own(RateLimit {
        burst: 100,
        per_second: 3.0,
    });
    assert_eq!(deployment.tenant(REFRESHABLE).await.plan, Some(own));
    let store = deployment.store().await;
    change(&store, REFRESHABLE, |tenant| {
        tenant.plan = Some(Plan::Unlimited);
    })
    .await;
    let service = deployment.restart(service).await;
    let tenant = deployment.tenant(REFRESHABLE).await;
    assert_eq!(tenant.plan, Some(Plan::Unlimited));
    deployment.write(&planned("enterprise"));
    let service = deployment.restart(service).await;
    let tenant = deployment.tenant(REFRESHABLE).await;
    assert_eq!(tenant.plan, Some(Plan::Enterprise));
    deployment.write(&refreshable(REFRESHABLE));
    let service = deployment.restart(service).await;
    assert_eq!(deployment.tenant(REFRESHABLE).await.plan, None);
    assert_eq!(call(&service, REFRESHABLE).await, "OK");
}

#[tokio::test]
async fn the_log_names_tenants_that_the_file_no_longer_names() {
    let log = Log::default();
    let _guards = log.start();
    let deployment = Deployment::new(Stores::sqlite()).await;
    deployment.write(&(refreshable("first") + &refreshable("second") + &refreshable("third")));
    let service = deployment.start().await;
    assert!(!log.text().contains("are no longer in the tenants file"));
    deployment.write(&refreshable("second"));
    let _service = deployment.restart(service).await;
    let text = log.text();
    let line = text
        .lines()
        .find(|line| line.contains("are no longer in the tenants file"));
    let line = line.unwrap();
    for part in ["WARN", "count=2", "first third"] {
        assert!(line.contains(part), "{part} is not in {line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_start_together_take_the_same_file_over_once() {
    let Some(stores) = Stores::postgresql().await else {
        return;
    };
    let deployment = Deployment::new(stores).await;
    // More than one group.
    let names: Vec<String> = (0..600).map(|number| format!("tenant-{number}")).collect();
    let entries: Vec<String> = names.iter().map(|name| refreshable(name)).collect();
    deployment.write(&entries.concat());
    let services = join_all((0..3).map(|_| deployment.begin(&[]))).await;
    for service in &services {
        for name in names.iter().step_by(150) {
            assert_eq!(call(service, name).await, "OK");
        }
    }
    let stored = deployment.store().await.tenants(None, 1000).await.unwrap();
    assert_eq!(stored.len(), names.len());
    for tenant in stored {
        assert_eq!(tenant.unwrap().revision, 1);
    }
    join_all(services.into_iter().map(stop)).await;
    // A changed file is applied once too.
    let entries: Vec<String> = entries.iter().map(|entry| named(entry, "New")).collect();
    deployment.write(&entries.concat());
    let services = join_all((0..3).map(|_| deployment.begin(&[]))).await;
    for service in &services {
        assert_eq!(call(service, "tenant-0").await, "OK");
    }
    let stored = deployment.store().await.tenants(None, 1000).await.unwrap();
    for tenant in stored {
        let tenant = tenant.unwrap();
        assert_eq!((tenant.display_name.as_str(), tenant.revision), ("New", 2));
    }
}
