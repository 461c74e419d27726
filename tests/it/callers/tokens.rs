//! JWTs, as pods of a cluster show them, against a real key server.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bitrix24_openlines::api::openlines::v1::open_lines_service_client::OpenLinesServiceClient;
use bitrix24_openlines::testing::auth::NewKey;
use futures_util::future::join_all;
use sandbox::{Portal, Sandbox};
use serde_json::json;
use tokio::net::TcpListener;
use tonic::{Code, Status};

use super::assert_refused;
use crate::support::admin::{free_address, ready, until_sample};
use crate::support::key_server::{KeyServer, encrypted};
use crate::support::log::Log;
use crate::support::requests::crm_message;
use crate::support::signer::{
    AUDIENCE, ISSUER, SUBJECT, Signer, claims, claims_with, key_set, now,
};
use crate::support::{Service, Told, tenants, until, with_key};

/// A service whose caller `shop` has an API key and a token, as during a migration from one to the
/// other.
struct Site {
    sandbox: Sandbox,
    service: Service,
    admin: SocketAddr,
}

/// The service fetches no more often than each second.
const MINIMUM: &str = "key_sets: {minimum_interval_seconds: 1}";

impl Site {
    /// `keys` is the place of the issuer's keys, `more` are further settings of `auth`.
    async fn start(keys: &str, more: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sandbox = Sandbox::start(listener, vec![Portal::demo()]).unwrap();
        let key = NewKey::generate().unwrap();
        let auth = format!(
            "auth:\n  {more}\n  follow_seconds: 1\n  issuers:\n  - {{issuer: '{ISSUER}', audience: {AUDIENCE}, {keys}}}\n\
             \x20 callers:\n  - {{name: shop, tenants: ['*'], keys: ['{}'], \
             tokens: [{{issuer: '{ISSUER}', subject: '{SUBJECT}'}}]}}\n",
            key.entry()
        );
        let admin = free_address();
        let settings = [("ADMIN_LISTEN", &*admin.to_string())];
        let tenants = tenants(sandbox.address());
        let service = Service::with_auth(key, &auth, &settings, &tenants).await;
        Self {
            sandbox,
            service,
            admin,
        }
    }

    /// A call with this credential.
    async fn call(&self, credential: &str) -> Result<(), Status> {
        let mut client = self.service.client().await;
        let request = with_key(crm_message("text"), credential);
        client.send_crm_message(request).await.map(|_| ())
    }

    async fn refused(&self, credential: &str, reason: &str) -> Status {
        let status = self.call(credential).await.unwrap_err();
        let code = match reason {
            "CREDENTIALS_NOT_VERIFIABLE" => Code::Unavailable,
            _ => Code::Unauthenticated,
        };
        assert_refused(&status, code, reason);
        status
    }

    /// Calls until it succeeds.
    async fn until_accepted(&self, credential: &str) {
        let limit = Instant::now() + Duration::from_secs(20);
        while let Err(status) = self.call(credential).await {
            assert!(Instant::now() < limit, "{status:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Calls until it is refused.
    async fn until_refused(&self, credential: &str, reason: &str) {
        let limit = Instant::now() + Duration::from_secs(20);
        while self.call(credential).await.is_ok() {
            assert!(Instant::now() < limit, "never refused");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.refused(credential, reason).await;
    }
}

#[tokio::test]
async fn a_projected_token_and_a_key_are_the_same_caller() {
    let signer = Signer::rs256("cluster");
    let server = KeyServer::start(&key_set(&[&signer])).await;
    let site = Site::start(&format!("keys_url: '{}'", server.url()), MINIMUM).await;
    site.call(&signer.token(&claims())).await.unwrap();
    site.call(site.service.key.expose()).await.unwrap();
    assert_eq!(site.sandbox.record().times_delivered("text"), 2);
    let other = signer.token(&claims_with("sub", json!("system:serviceaccount:x:y")));
    let status = site.refused(&other, "CREDENTIALS_INVALID").await;
    assert!(status.message().contains("no caller"), "{status:?}");
    let foreign = signer.token(&claims_with("aud", json!("https://kubernetes.default.svc")));
    let status = site.refused(&foreign, "CREDENTIALS_INVALID").await;
    assert!(status.message().contains("audience"), "{status:?}");
    assert_eq!(site.sandbox.record().times_delivered("text"), 2);
}

/// A verified token is kept in memory, and ends there, too.
#[tokio::test]
async fn a_token_works_until_it_expires() {
    let signer = Signer::ed_dsa("a");
    let server = KeyServer::start(&key_set(&[&signer])).await;
    let more = "tokens: {clock_skew_seconds: 0}";
    let site = Site::start(&format!("keys_url: '{}'", server.url()), more).await;
    site.until_accepted(&signer.token(&claims())).await;
    let token = signer.token(&claims_with("exp", json!(now() + 4)));
    site.call(&token).await.unwrap();
    site.until_refused(&token, "CREDENTIALS_INVALID").await;
}

#[tokio::test]
async fn a_key_that_the_issuer_has_added_is_fetched_when_a_token_needs_it() {
    let (old, new) = (Signer::es256("old"), Signer::es256("new"));
    let server = KeyServer::start(&key_set(&[&old])).await;
    let site = Site::start(&format!("keys_url: '{}'", server.url()), MINIMUM).await;
    site.call(&old.token(&claims())).await.unwrap();
    server.serve(200, &key_set(&[&old, &new]));
    // The call waits for the fetch, and no client sees the rotation.
    site.call(&new.token(&claims())).await.unwrap();
    assert!(server.fetches() <= 3, "{}", server.fetches());
}

#[tokio::test]
async fn a_key_that_the_issuer_has_removed_ends_its_tokens_with_the_next_fetch() {
    let (old, new) = (Signer::es256("old"), Signer::es256("new"));
    let server = KeyServer::start(&key_set(&[&old])).await;
    let more = "key_sets: {minimum_interval_seconds: 1, refresh_seconds: 1}";
    let site = Site::start(&format!("keys_url: '{}'", server.url()), more).await;
    let token = old.token(&claims());
    site.call(&token).await.unwrap();
    server.serve(200, &key_set(&[&new]));
    site.until_refused(&token, "CREDENTIALS_INVALID").await;
}

#[tokio::test]
async fn a_set_of_keys_that_cannot_be_loaded_is_told_at_ready_and_the_one_before_stays() {
    let signer = Signer::es256("a");
    let server = KeyServer::start(&key_set(&[&signer])).await;
    let more = "key_sets: {minimum_interval_seconds: 1, refresh_seconds: 1}";
    let site = Site::start(&format!("keys_url: '{}'", server.url()), more).await;
    let works = "openlines_dependency_works{dependency=\"key sets\"}";
    site.call(&signer.token(&claims())).await.unwrap();
    until_sample(site.admin, works, 1).await;
    server.serve(503, "");
    until_sample(site.admin, works, 0).await;
    let (status, told) = ready(site.admin).await;
    assert_eq!(status, 200, "{told}");
    assert!(told.contains(ISSUER) && told.contains("503"), "{told}");
    site.call(&signer.token(&claims())).await.unwrap();
    server.serve(200, &key_set(&[&signer]));
    until_sample(site.admin, works, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_invented_key_ids_makes_few_fetches_and_holds_up_no_one() {
    let signer = Signer::es256("a");
    let server = KeyServer::start(&key_set(&[&signer])).await;
    let site = Site::start(&format!("keys_url: '{}'", server.url()), MINIMUM).await;
    let right = signer.token(&claims());
    site.call(&right).await.unwrap();
    let begun = Instant::now();
    let channel = site.service.channel().await;
    // A connection without any right call would be closed.
    let proof = with_key(crm_message("proof"), &right);
    let mut proving = OpenLinesServiceClient::new(channel.clone());
    proving.send_crm_message(proof).await.unwrap();
    let storm = (0..500).map(|number| {
        let header = json!({"alg": "ES256", "kid": format!("invented-{number}")});
        let token = signer.token_with(&header, &claims());
        let channel = channel.clone();
        async move {
            let mut client = OpenLinesServiceClient::new(channel);
            let request = with_key(crm_message("storm"), &token);
            client.send_crm_message(request).await.unwrap_err()
        }
    });
    let well_behaved = async {
        for _ in 0..20 {
            site.call(&right).await.unwrap();
            site.call(site.service.key.expose()).await.unwrap();
        }
    };
    let (refused, ()) = tokio::join!(join_all(storm), well_behaved);
    for status in refused {
        assert_refused(&status, Code::Unauthenticated, "CREDENTIALS_INVALID");
    }
    // One at the start, and then one each second at most.
    let allowed = usize::try_from(begun.elapsed().as_secs()).unwrap() + 3;
    assert!(server.fetches() <= allowed, "{}", server.fetches());
    assert_eq!(site.sandbox.record().times_delivered("storm"), 0);
}

#[tokio::test]
async fn while_an_issuer_cannot_be_reached_its_tokens_are_not_judged_and_keys_work() {
    let log = Log::default();
    let _logging = log.start();
    let signer = Signer::es256("a");
    let server = KeyServer::start("").await;
    server.serve(503, "");
    let site = Site::start(&format!("keys_url: '{}'", server.url()), MINIMUM).await;
    let token = signer.token(&claims());
    let status = site.refused(&token, "CREDENTIALS_NOT_VERIFIABLE").await;
    assert!(status.details_of().retry_info().is_some(), "{status:?}");
    site.call(site.service.key.expose()).await.unwrap();
    // The same problem is logged once.
    until("three fetches have failed", || server.fetches() > 2).await;
    let problem = "an issuer's set of keys cannot be loaded";
    assert_eq!(log.text().matches(problem).count(), 1, "{}", log.text());
    server.serve(200, &key_set(&[&signer]));
    site.until_accepted(&token).await;
    // An outage does not take the keys away.
    for (status, body) in [
        (500, ""),
        (200, "nonsense"),
        (302, ""),
        (200, "{\"keys\": []}"),
    ] {
        server.serve(status, body);
        let unknown = Signer::es256("unknown").token(&claims());
        site.refused(&unknown, "CREDENTIALS_NOT_VERIFIABLE").await;
        site.call(&token).await.unwrap();
    }
    let huge = format!("{{\"keys\": [], \"x\": \"{}\"}}", "x".repeat(300_000));
    server.serve(200, &huge);
    let unknown = Signer::es256("unknown").token(&claims());
    site.refused(&unknown, "CREDENTIALS_NOT_VERIFIABLE").await;
    site.call(&token).await.unwrap();
}

#[tokio::test]
async fn a_set_is_fetched_with_the_token_that_its_file_holds_at_that_time() {
    let signer = Signer::es256("a");
    let server = KeyServer::start(&key_set(&[&signer])).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "first\n").unwrap();
    let keys = format!(
        "keys_url: '{}', bearer_token_file: '{}'",
        server.url(),
        file.display()
    );
    let more = "key_sets: {minimum_interval_seconds: 1, refresh_seconds: 1}";
    let site = Site::start(&keys, more).await;
    site.until_accepted(&signer.token(&claims())).await;
    assert_eq!(server.last_authorization().as_deref(), Some("Bearer first"));
    std::fs::write(&file, "second\n").unwrap();
    until("the new token is shown", || {
        server.last_authorization().as_deref() == Some("Bearer second")
    })
    .await;
}

#[tokio::test]
async fn a_file_of_keys_is_followed_and_a_broken_one_changes_nothing() {
    let (old, new) = (Signer::es256("old"), Signer::es256("new"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    std::fs::write(&file, key_set(&[&old])).unwrap();
    let site = Site::start(&format!("keys_file: '{}'", file.display()), "").await;
    let (first, second) = (old.token(&claims()), new.token(&claims()));
    site.call(&first).await.unwrap();
    site.refused(&second, "CREDENTIALS_INVALID").await;
    std::fs::write(&file, key_set(&[&new])).unwrap();
    site.until_accepted(&second).await;
    site.refused(&first, "CREDENTIALS_INVALID").await;
    std::fs::write(&file, "{").unwrap();
    tokio::time::sleep(Duration::from_millis(2500)).await;
    site.call(&second).await.unwrap();
}

#[tokio::test]
async fn a_set_comes_from_a_server_of_the_given_authority_only() {
    let signer = Signer::es256("a");
    let (right, wrong) = (named(), named());
    let address = encrypted(key_set(&[&signer]), &right).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.crt");
    std::fs::write(&file, wrong.cert.pem()).unwrap();
    let keys = format!(
        "keys_url: 'https://localhost:{}/jwks', ca_file: '{}'",
        address.port(),
        file.display()
    );
    let site = Site::start(&keys, MINIMUM).await;
    let token = signer.token(&claims());
    site.refused(&token, "CREDENTIALS_NOT_VERIFIABLE").await;
    // Mounted authorities change, too.
    std::fs::write(&file, right.cert.pem()).unwrap();
    site.until_accepted(&token).await;
}

fn named() -> rcgen::CertifiedKey<rcgen::KeyPair> {
    rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap()
}
