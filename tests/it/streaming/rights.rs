//! What a stream may do, when that changes while it is open.

use std::path::PathBuf;
use std::time::Instant;

use bitrix24_openlines::api::openlines::tenants::v1 as tenants_api;
use bitrix24_openlines::api::openlines::tenants::v1::tenant_service_client::TenantServiceClient;
use bitrix24_openlines::api::openlines::v1 as api;
use bitrix24_openlines::testing::auth::NewKey;
use sandbox::{Fault, FaultKind, Gate, Moment, Portal, Sandbox};
use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tonic::Code;

use super::{PATIENCE, Stream, crm, is_sent, status};
use crate::server::told;
use crate::support::signer::{AUDIENCE, ISSUER, SUBJECT, Signer, claims_with, key_set, now};
use crate::support::{
    APPLICATION, Service, Told, WEBHOOK, conversations, tenants, until, with_key,
};

const ENDED: &str = "UNAUTHENTICATED CREDENTIALS_INVALID not_executed";

/// A service whose callers can be changed.
struct Site {
    sandbox: Sandbox,
    service: Service,
    file: PathBuf,
    _folder: TempDir,
}

/// A callers file with this caller, and one that manages tenants and looks at what others may do.
fn callers(caller: &str, manager: &NewKey) -> String {
    let entry = manager.entry();
    format!(
        "callers:\n- {{name: manager, tenants: ['*'], manages_tenants: true, keys: ['{entry}']}}\n{caller}"
    )
}

/// A caller that may act for these tenants.
fn shop(key: &NewKey, tenants: &[&str]) -> String {
    let (entry, tenants) = (key.entry(), tenants.join(", "));
    format!("- {{name: shop, tenants: [{tenants}], keys: ['{entry}']}}\n")
}

impl Site {
    /// With this caller, and further settings of `auth`.
    async fn start(caller: &str, more: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sandbox = Sandbox::start(listener, vec![Portal::demo()]).unwrap();
        conversations::add(&sandbox, 10);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("callers.yaml");
        let manager = NewKey::generate().unwrap();
        std::fs::write(&file, callers(caller, &manager)).unwrap();
        let auth = format!(
            "auth:\n  callers_file: '{}'\n  follow_seconds: 1\n{more}",
            file.display()
        );
        let tenants = tenants(sandbox.address());
        let service = Service::with_auth(manager, &auth, &[], &tenants).await;
        Self {
            sandbox,
            service,
            file,
            _folder: folder,
        }
    }

    fn write(&self, caller: &str) {
        std::fs::write(&self.file, callers(caller, &self.service.key)).unwrap();
    }

    async fn open(&self, credential: &str) -> Stream {
        let client = self.service.client().await;
        Stream::open_with(client, |items| with_key(items, credential)).await
    }

    /// A gate in front of the next request to the portal.
    fn hold(&self) -> Gate {
        let gate = Gate::closed();
        let held = FaultKind::Held(Moment::Before, gate.clone());
        self.sandbox.inject(Fault::once(held));
        gate
    }

    async fn at_the_portal(&self) {
        let record = || !self.sandbox.record().entries.is_empty();
        until("an item is at the portal", record).await;
    }

    /// Makes calls for a tenant that are checked only, until one ends with this reason.
    async fn until_refused(&self, credential: &str, tenant: &str, reason: &str) {
        let limit = Instant::now() + PATIENCE;
        loop {
            let message = api::SendCrmMessageRequest {
                validate_only: true,
                ..of(tenant, 0, "probe")
            };
            let call = with_key(message, credential);
            match self.service.client().await.send_crm_message(call).await {
                Err(status) if status.reason() == reason => return,
                other => assert!(Instant::now() < limit, "{other:?}"),
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
}

fn of(tenant: &str, conversation: i64, text: &str) -> api::SendCrmMessageRequest {
    api::SendCrmMessageRequest {
        tenant_id: tenant.to_owned(),
        ..conversations::crm_message(conversation, text)
    }
}

#[tokio::test]
async fn a_key_that_is_withdrawn_ends_the_stream_with_its_next_item_and_what_was_read_is_answered()
{
    let (old, new) = (NewKey::generate().unwrap(), NewKey::generate().unwrap());
    let site = Site::start(&shop(&old, &["'*'"]), "").await;
    let mut stream = site.open(old.expose()).await;
    let gate = site.hold();
    stream
        .write(crm("running", of(WEBHOOK, 1, "running")))
        .await;
    site.at_the_portal().await;
    // In the queue behind it: the same conversation.
    stream.write(crm("queued", of(WEBHOOK, 1, "queued"))).await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    site.write(&shop(&new, &["'*'"]));
    site.until_refused(old.expose(), WEBHOOK, "CREDENTIALS_INVALID")
        .await;
    stream.write(crm("later", of(WEBHOOK, 2, "later"))).await;
    gate.open();
    let (answers, end) = stream.rest().await;
    let end = end.unwrap_err();
    assert_eq!(told(&end), ENDED);
    assert!(end.details_of().request_info().is_some());
    assert!(answers.values().all(is_sent), "{answers:?}");
    assert_eq!(Vec::from_iter(answers.keys()), ["queued", "running"]);
    let record = site.sandbox.record();
    let delivered = record.delivered_by_text();
    assert_eq!(Vec::from_iter(delivered.keys()), [&"queued", &"running"]);
}

#[tokio::test]
async fn a_token_that_expires_ends_the_stream_with_its_next_item() {
    let signer = Signer::ed_dsa("a");
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys.json");
    std::fs::write(&keys, key_set(&[&signer])).unwrap();
    let caller = format!(
        "- {{name: shop, tenants: ['*'], tokens: [{{issuer: '{ISSUER}', subject: '{SUBJECT}'}}]}}\n"
    );
    let more = format!(
        "  tokens: {{clock_skew_seconds: 0}}\n  issuers:\n  - {{issuer: '{ISSUER}', audience: {AUDIENCE}, keys_file: '{}'}}\n",
        keys.display()
    );
    let site = Site::start(&caller, &more).await;
    let token = signer.token(&claims_with("exp", json!(now() + 4)));
    let mut stream = site.open(&token).await;
    stream
        .write(crm("in time", of(WEBHOOK, 1, "in time")))
        .await;
    assert!(is_sent(&stream.answer().await.1));
    site.until_refused(&token, WEBHOOK, "CREDENTIALS_INVALID")
        .await;
    stream.write(crm("late", of(WEBHOOK, 2, "late"))).await;
    let (answers, end) = stream.rest().await;
    assert_eq!(told(&end.unwrap_err()), ENDED);
    assert!(answers.is_empty());
    assert_eq!(site.sandbox.record().times_delivered("late"), 0);
}

#[tokio::test]
async fn items_of_several_tenants_share_a_stream_and_one_for_another_tenant_fails_alone() {
    let key = NewKey::generate().unwrap();
    let both = shop(&key, &[APPLICATION, WEBHOOK]);
    let site = Site::start(&both, "").await;
    let mut stream = site.open(key.expose()).await;
    let missing = "ghost";
    for (tenant, chat) in [(APPLICATION, 1), (missing, 2), (WEBHOOK, 3)] {
        stream.write(crm(tenant, of(tenant, chat, tenant))).await;
    }
    for tenant in [APPLICATION, missing, WEBHOOK] {
        let (key, answer) = stream.answer().await;
        assert_eq!(is_sent(&answer), key != missing, "{tenant}: {answer:?}");
        if key == missing {
            let refused = told(&status(&answer));
            assert_eq!(
                refused,
                "PERMISSION_DENIED TENANT_NOT_PERMITTED not_executed"
            );
        }
    }
    // One of them is taken from the caller.
    site.write(&shop(&key, &[APPLICATION]));
    site.until_refused(key.expose(), WEBHOOK, "TENANT_NOT_PERMITTED")
        .await;
    stream.write(crm("taken", of(WEBHOOK, 4, "taken"))).await;
    let refused = told(&status(&stream.answer().await.1));
    assert_eq!(
        refused,
        "PERMISSION_DENIED TENANT_NOT_PERMITTED not_executed"
    );
    stream.write(crm("left", of(APPLICATION, 5, "left"))).await;
    assert!(is_sent(&stream.answer().await.1));
    stream.close();
    stream.rest().await.1.unwrap();
    assert_eq!(site.sandbox.record().times_delivered("taken"), 0);
}

#[tokio::test]
async fn a_tenant_that_is_deleted_fails_later_items_and_ends_those_at_the_portal_as_usual() {
    let key = NewKey::generate().unwrap();
    let site = Site::start(&shop(&key, &["'*'"]), "").await;
    let mut stream = site.open(key.expose()).await;
    let gate = site.hold();
    stream
        .write(crm("running", of(WEBHOOK, 1, "running")))
        .await;
    site.at_the_portal().await;
    let mut manager = TenantServiceClient::new(site.service.channel().await);
    let delete = tenants_api::DeleteTenantRequest {
        name: format!("tenants/{WEBHOOK}"),
        ..Default::default()
    };
    let deleted = manager.delete_tenant(site.service.request(delete)).await;
    deleted.unwrap();
    site.until_refused(key.expose(), WEBHOOK, "TENANT_NOT_PERMITTED")
        .await;
    stream.write(crm("later", of(WEBHOOK, 2, "later"))).await;
    let (answered, answer) = stream.answer().await;
    assert_eq!(answered, "later");
    assert_eq!(status(&answer).code(), Code::PermissionDenied);
    stream
        .write(crm("other", of(APPLICATION, 3, "other")))
        .await;
    gate.open();
    stream.close();
    let (answers, end) = stream.rest().await;
    end.unwrap();
    assert_eq!(Vec::from_iter(answers.keys()), ["other", "running"]);
    assert!(answers.values().all(is_sent), "{answers:?}");
    assert_eq!(site.sandbox.record().times_delivered("later"), 0);
}
