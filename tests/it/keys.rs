//! `openlines keys`, as the operator uses it beside a running service.

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use store::Access;
use store::sealing::{Key, Keyring};
use uuid::Uuid;

use crate::support::deployment::Deployment;
use crate::support::process::{openlines, run};
use crate::support::stores::{
    Stores, application, keyring_of, keyring_text, on_both_stores, webhook,
};

on_both_stores!(
    an_operator_changes_the_key_beside_a_running_service,
    a_tenant_that_cannot_be_read_is_named_and_the_others_are_sealed_anew,
    a_key_that_a_running_service_lacks_seals_nothing,
    a_running_process_gets_the_key_before_anything_is_sealed_with_it,
);

const EX_USAGE: i32 = 64;

fn told(output: &Output) -> String {
    let told = [output.stdout.clone(), output.stderr.clone()].concat();
    String::from_utf8(told).unwrap()
}

/// A file of a test.
fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

async fn an_operator_changes_the_key_beside_a_running_service(stores: Stores) {
    let folder = tempfile::tempdir().unwrap();
    let url = write(folder.path(), "url", &format!("{}\n", stores.url()));
    let old = Key::generate().unwrap();
    let service_keys = keyring_of(&[&old]);
    let store = stores.open(&service_keys).await;
    store.create(&application("acme")).await.unwrap();
    store.create(&webhook("hook")).await.unwrap();

    // A new key, and the keyring that every replica gets first: the new key only opens.
    let made = run(&["keys", "new-sealing-key"]);
    assert!(made.status.success(), "{}", told(&made));
    let new = Keyring::parse(&told(&made)).unwrap();
    let second = keyring_text(&[&old]) + &told(&made);
    let keyring = write(folder.path(), "keyring", &second);
    service_keys.replace(Keyring::parse(&second).unwrap());
    let options = ["--store-url-file", &url, "--keyring-file", &keyring];
    let keys = |command: &str| run(&[&["keys", command], &options[..]].concat());

    let shown = keys("sealing-keys");
    assert!(shown.status.success(), "{}", told(&shown));
    let shown = told(&shown);
    assert!(
        shown.contains(&format!("{}          5  first, seals", old.id())),
        "{shown}"
    );
    assert!(
        shown.contains(&format!("{}          0  opens", new.first())),
        "{shown}"
    );

    // Then the one in which it is first.
    let first = told(&made) + &keyring_text(&[&old]);
    write(folder.path(), "keyring", &first);
    service_keys.replace(Keyring::parse(&first).unwrap());
    let resealed = keys("reseal");
    assert!(resealed.status.success(), "{}", told(&resealed));
    let expected = format!(
        "Re-sealed 5 secrets of 2 tenants with the key {0}.\nThe key {0} seals all secrets.\n",
        new.first()
    );
    assert_eq!(told(&resealed), expected);
    let shown = told(&keys("sealing-keys"));
    assert!(
        shown.contains("May be removed") && shown.contains(&format!("first: {}", old.id())),
        "{shown}"
    );

    // Then the old one goes.
    service_keys.replace(new.clone());
    assert_eq!(
        store
            .tenants(None, 10)
            .await
            .unwrap()
            .into_iter()
            .flatten()
            .count(),
        2
    );
    drop(store);
    stores.open(&new).await;
}

async fn a_tenant_that_cannot_be_read_is_named_and_the_others_are_sealed_anew(stores: Stores) {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (Key::generate().unwrap(), Key::generate().unwrap());
    let store = stores.open(&keyring_of(&[&old])).await;
    for name in ["good", "spoilt"] {
        store.create(&webhook(name)).await.unwrap();
    }
    let spoil = "UPDATE tenants SET webhook_secret = (SELECT webhook_secret FROM tenants WHERE id = 'good') \
         WHERE id = 'spoilt'";
    assert_eq!(stores.execute(spoil).await, 1);
    let keyring = write(folder.path(), "keyring", &keyring_text(&[&new, &old]));
    let resealed = openlines(&["keys", "reseal"])
        .env("OPENLINES_STORE_URL", stores.url())
        .env("OPENLINES_STORE_KEYRING_FILE", keyring)
        .output()
        .unwrap();
    let told = told(&resealed);
    assert_eq!(resealed.status.code(), Some(1), "{told}");
    assert!(told.contains("Re-sealed 1 secrets of 1 tenants"), "{told}");
    assert!(told.contains("tenant spoilt cannot be read"), "{told}");
    assert!(
        told.contains("1 tenants cannot be read and stay unchanged"),
        "{told}"
    );
}

async fn a_key_that_a_running_service_lacks_seals_nothing(stores: Stores) {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (Key::generate().unwrap(), Key::generate().unwrap());
    let keyring = keyring_of(&[&old]);
    let store = stores.open(&keyring).await;
    store.create(&webhook("acme")).await.unwrap();
    let service = Uuid::new_v4();
    store.beat(service, Some("openlines-7d9f")).await.unwrap();
    let file = write(folder.path(), "keyring", &keyring_text(&[&new, &old]));
    let url = write(folder.path(), "url", stores.url());
    let options = ["--store-url-file", &url, "--keyring-file", &file];
    let reseal = || run(&[&["keys", "reseal", "--wait", "0"], &options[..]].concat());

    let refused = reseal();
    let text = told(&refused);
    assert_eq!(refused.status.code(), Some(1), "{text}");
    for part in [
        "nothing was re-sealed",
        "openlines-7d9f",
        &service.to_string(),
        new.id().as_str(),
        "give it the keyring with that key",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(store.key_use().await.unwrap(), [(old.id().clone(), 1)]);

    // One of an earlier version does not say what it has.
    stores
        .execute("UPDATE replicas SET sealing_keys = NULL")
        .await;
    let text = told(&reseal());
    assert!(text.contains("is of an earlier version"), "{text}");

    // It applies the keyring, and tells so.
    keyring.replace(keyring_of(&[&old, &new]));
    store.beat(service, Some("openlines-7d9f")).await.unwrap();
    let resealed = reseal();
    assert!(resealed.status.success(), "{}", told(&resealed));
    assert_eq!(store.key_use().await.unwrap(), [(new.id().clone(), 1)]);

    // One that has been silent for a minute is not running any more.
    keyring.replace(keyring_of(&[&old]));
    store.beat(service, None).await.unwrap();
    stores
        .execute("UPDATE replicas SET seen_at = seen_at - 61000")
        .await;
    assert!(reseal().status.success());
}

async fn a_running_process_gets_the_key_before_anything_is_sealed_with_it(stores: Stores) {
    let (old, new) = (Key::generate().unwrap(), Key::generate().unwrap());
    let tenants = "tenants: [{id: acme, portal: acme.bitrix24.com, webhook: {user_id: 1, secret: {inline: s}}}]";
    let deployment = Deployment::write(stores.url(), &old, tenants, "");
    let mut processes = vec![deployment.start().await];
    if stores.is_shared() {
        processes.push(deployment.start().await);
    }
    let beside = stores
        .try_open(&keyring_of(&[&old]), Access::Maintenance)
        .await
        .unwrap();
    let told_keys = async |key: &Key| {
        let minute = Duration::from_secs(60);
        let serving = beside.serving(minute).await.unwrap();
        let having = serving.iter().filter(|service| {
            let keys = service.sealing_keys.as_ref().unwrap();
            keys.contains(key.id())
        });
        having.count()
    };
    while told_keys(&old).await < processes.len() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "keyring", &keyring_text(&[&new, &old]));
    let url = write(folder.path(), "url", stores.url());
    let options = ["--store-url-file", &url, "--keyring-file", &file];
    let refused = run(&[&["keys", "reseal", "--wait", "0"], &options[..]].concat());
    assert_eq!(refused.status.code(), Some(1), "{}", told(&refused));
    assert_eq!(beside.key_use().await.unwrap(), [(old.id().clone(), 1)]);

    // The command waits for the processes, which look at their file every few seconds.
    deployment.replace_keyring(&[&new, &old]);
    let resealed = tokio::task::spawn_blocking(move || {
        let options = ["--store-url-file", &url, "--keyring-file", &file];
        run(&[&["keys", "reseal", "--wait", "60"], &options[..]].concat())
    });
    let resealed = resealed.await.unwrap();
    assert!(resealed.status.success(), "{}", told(&resealed));
    assert_eq!(beside.key_use().await.unwrap(), [(new.id().clone(), 1)]);
    assert_eq!(told_keys(&new).await, processes.len());

    // They take their leave.
    for running in processes {
        running.process.terminate();
        let (status, log) = running.process.ended().await;
        assert!(status.success(), "{log}");
    }
    assert_eq!(told_keys(&old).await, 0);
}

#[test]
fn what_the_command_lacks_or_does_not_understand_is_told_and_never_quoted() {
    let folder = tempfile::tempdir().unwrap();
    let key = Key::generate().unwrap();
    let keyring = write(folder.path(), "keyring", &keyring_text(&[&key]));
    let wrong = write(folder.path(), "wrong", "b24s_s3cr3tcanary");
    let url = format!("sqlite:{}/openlines.db", folder.path().display());
    let database = "postgres://me:s3cr3tcanary@db:port/x";
    for (arguments, code, expected) in [
        (vec![], EX_USAGE, "the store is not set"),
        (
            vec!["--store-url", &url],
            EX_USAGE,
            "the keyring is not set",
        ),
        (
            vec!["--store-url", &url, "--keyring-file", &wrong],
            EX_USAGE,
            "entry 1 is not a sealing key",
        ),
        (
            vec!["--store-url", &url, "--keyring-file", "/none"],
            EX_USAGE,
            "cannot be read",
        ),
        (
            vec!["--store-url", database, "--keyring-file", &keyring],
            EX_USAGE,
            "--store-url is not a valid PostgreSQL URL",
        ),
        (
            vec!["--store-url", &url, "--store-url-file", &wrong],
            EX_USAGE,
            "cannot be used with",
        ),
        (
            vec!["--store-url", &url, "--keyring-file", &keyring],
            1,
            "there is no store in",
        ),
    ] {
        for command in ["sealing-keys", "reseal"] {
            let output = run(&[&["keys", command], &arguments[..]].concat());
            let told = told(&output);
            assert_eq!(output.status.code(), Some(code), "{told}");
            assert!(told.contains(expected), "{arguments:?}: {told}");
            assert!(!told.contains("s3cr3tcanary"), "{told}");
        }
    }
    let output = openlines(&["keys", "reseal"])
        .env("OPENLINES_STORE_URL", database)
        .env("OPENLINES_STORE_KEYRING", keyring_text(&[&key]))
        .output()
        .unwrap();
    let told = told(&output);
    assert_eq!(output.status.code(), Some(EX_USAGE), "{told}");
    assert!(
        told.contains("OPENLINES_STORE_URL is not a valid PostgreSQL URL"),
        "{told}"
    );
}

/// docs/callers.md, "The callers file".
#[test]
fn a_callers_file_is_checked_before_it_is_installed() {
    let folder = tempfile::tempdir().unwrap();
    let made = told(&run(&[
        "keys",
        "new",
        "--caller",
        "shop",
        "--tenant",
        "acme",
        "--method",
        "SendCrmMessage",
        "--expires",
        "2126-01-31",
    ]));
    let (_, yaml) = made.split_once("auth:\n").unwrap();
    // The list as it stands below `auth`, in a file of its own.
    let yaml: String = yaml
        .lines()
        .map(|line| format!("{}\n", &line[2..]))
        .collect();
    let more = "  - {name: pods, tenants: ['*'], tokens: [{issuer: 'https://a', subject: s}], \
                certificates: ['spiffe://example.org/pods']}\n";
    let file = write(folder.path(), "callers.yaml", &(yaml.clone() + more));
    let checked = run(&["keys", "check", &file]);
    let listed = told(&checked);
    assert!(checked.status.success(), "{listed}");
    let id = listed
        .split("key ")
        .nth(1)
        .unwrap()
        .split(',')
        .next()
        .unwrap();
    let expected = format!(
        "shop: tenants [\"acme\"]; methods [SendCrmMessage]\n  key {id}, expires 2126-01-31T00:00:00Z\n\
         pods: tenants [\"*\"]; methods all\n  token of https://a: s\n  certificate spiffe://example.org/pods\n\
         The file is valid and has 2 callers.\nNot checked here: each issuer must be one of auth.issuers.\n"
    );
    assert_eq!(listed, expected);
    assert!(yaml.contains(id));

    let broken = write(folder.path(), "broken.yaml", &yaml.replace("acme", "Acme"));
    let checked = run(&["keys", "check", &broken]);
    assert_eq!(checked.status.code(), Some(EX_USAGE), "{}", told(&checked));
    assert!(
        told(&checked).contains("callers[0].tenants[0]"),
        "{}",
        told(&checked)
    );
}
