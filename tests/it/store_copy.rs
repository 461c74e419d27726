//! `openlines store copy` as a process that is killed, and services on both sides of it.

use std::process::Output;
use std::time::Duration;

use bitrix24_openlines::api::openlines::v1 as api;
use sandbox::{Portal, Sandbox};
use store::sealing::Key;
use store::{Keyring, Store};
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::support::deployment::Deployment;
use crate::support::process::{Process, openlines, run};
use crate::support::requests::crm_message;
use crate::support::stores::{Stores, keyring_of, on_both_stores, webhook};
use crate::support::tenants;

on_both_stores!(
    a_copy_that_is_killed_again_and_again_ends_whole,
    a_service_goes_on_in_the_copy_and_sends_nothing_twice,
);

/// Enough that a copy lasts while it is killed.
const TENANTS: usize = 3_000;

fn text(output: &Output) -> String {
    String::from_utf8([output.stdout.clone(), output.stderr.clone()].concat()).unwrap()
}

/// A target of the other kind if there is a server, or another file.
async fn target(stores: &Stores) -> Stores {
    let has_server = std::env::var_os("OPENLINES_TEST_POSTGRES_URL").is_some();
    if stores.is_shared() || !has_server {
        return Stores::sqlite();
    }
    Stores::postgresql().await.unwrap()
}

/// The arguments of a copy, with the URLs in files of this folder.
fn arguments(folder: &tempfile::TempDir, from: &Stores, to: &Stores) -> Vec<String> {
    let file = |name: &str, stores: &Stores| {
        let file = folder.path().join(name);
        std::fs::write(&file, stores.url()).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let words = ["store", "copy", "--from-file"].map(str::to_owned);
    let mut words = Vec::from(words);
    words.push(file("from", from));
    words.push("--to-file".to_owned());
    words.push(file("to", to));
    words
}

async fn fill(stores: &Stores, keyring: &Keyring) {
    let store: Store = stores.open(keyring).await;
    for number in 0..TENANTS / 100 {
        let tenants: Vec<_> = (0..100)
            .map(|tenant| webhook(&format!("t{number}-{tenant}")))
            .collect();
        store.apply_entries(&tenants, |_, _| ()).await.unwrap();
    }
}

async fn a_copy_that_is_killed_again_and_again_ends_whole(stores: Stores) {
    let key = Key::generate().unwrap();
    let keyring = keyring_of(&[&key]);
    fill(&stores, &keyring).await;
    let to = target(&stores).await;
    let folder = tempfile::tempdir().unwrap();
    let arguments = arguments(&folder, &stores, &to);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut killed_on_the_way = 0;
    // However fast program and machine are, some of these times end within the copy.
    let mut patience = Duration::from_millis(1);
    for _ in 0..60 {
        let process = Process::start(openlines(&arguments));
        tokio::time::sleep(patience).await;
        patience = patience.mul_f64(1.12);
        let told = process.kill_and_read().await;
        if told.contains("is a copy of") {
            break;
        }
        if let Err(refused) = to.try_open(&keyring, store::Access::Service).await {
            killed_on_the_way += u32::from(matches!(refused, store::OpenError::HalfCopied));
        }
        if killed_on_the_way >= 5 {
            break;
        }
    }
    let told = run(&arguments);
    let all = format!("tenants: {TENANTS} on both sides");
    let is_whole = text(&told).contains(&all) || text(&told).contains("is not empty");
    assert!(is_whole, "{}", text(&told));
    let copied = to.open(&keyring).await;
    let counts = copied.count().await.unwrap();
    assert_eq!(counts.tenants, u64::try_from(TENANTS).unwrap());
    assert!(killed_on_the_way > 0, "no copy was killed on its way");
}

async fn a_service_goes_on_in_the_copy_and_sends_nothing_twice(stores: Stores) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let sandbox = Sandbox::start(listener, vec![Portal::demo()]).unwrap();
    let key = Key::generate().unwrap();
    let site = Deployment::write(stores.url(), &key, &tenants(sandbox.address()), "");
    let mut running = site.start().await;
    let message = || api::SendCrmMessageRequest {
        request_id: Uuid::from_u128(16).to_string(),
        ..crm_message("once")
    };
    let sent = running
        .client
        .send_crm_message(site.request(message()))
        .await;
    let sent = sent.unwrap().into_inner();

    let to = target(&stores).await;
    let folder = tempfile::tempdir().unwrap();
    let arguments = arguments(&folder, &stores, &to);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let refused = run(&arguments);
    assert!(!refused.status.success());
    let told = text(&refused);
    let in_use = ["services run on", "another openlines process uses"];
    assert!(in_use.iter().any(|words| told.contains(words)), "{told}");

    running.process.terminate();
    assert!(running.process.ended().await.0.success());
    let copied = run(&arguments);
    assert!(copied.status.success(), "{}", text(&copied));
    for secret in [stores.url(), to.url()] {
        let password = secret.split(['@', ':']).nth(2).unwrap_or("?");
        assert!(!secret.starts_with("postgres") || !text(&copied).contains(password));
    }

    let moved = Deployment::write(to.url(), &key, "tenants: []\n", "");
    let mut running = moved.start().await;
    let again = running
        .client
        .send_crm_message(moved.request(message()))
        .await;
    let replayed = api::SendCrmMessageResponse {
        replayed: true,
        ..sent
    };
    assert_eq!(again.unwrap().into_inner(), replayed);
    let mut other = message();
    other.request_id = Uuid::from_u128(17).to_string();
    running
        .client
        .send_crm_message(moved.request(other))
        .await
        .unwrap();
    running.process.terminate();
    assert!(running.process.ended().await.0.success());
    assert_eq!(sandbox.record().deliveries().count(), 2);
}
