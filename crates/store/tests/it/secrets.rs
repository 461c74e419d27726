//! What lies in the database, and under which keys.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use store::sealing::{DoesNotOpen, Key};
use store::{Access, OpenError, StoreError};

use crate::support::everything;
use crate::support::stores::{
    Stores, application, application_of, change, id, keyring, keyring_of, on_both_stores, webhook,
};

on_both_stores!(
    a_row_that_was_copied_to_another_tenant_does_not_open,
    a_tenant_that_cannot_be_read_does_not_hide_the_others,
    no_secret_lies_in_clear_text,
    after_a_change_of_keys_under_load_the_old_key_is_not_needed,
    a_missing_key_is_named_and_nothing_starts,
    an_operator_may_look_without_all_keys,
);

const CANARY: &str = "s3cr3tcanary";

async fn a_row_that_was_copied_to_another_tenant_does_not_open(stores: Stores) {
    let store = stores.open(&keyring()).await;
    for name in ["victim", "thief"] {
        store.create(&application(name)).await.unwrap();
    }
    store.create(&webhook("hook")).await.unwrap();
    for column in [
        "access_token",
        "refresh_token",
        "client_secret",
        "application_token",
    ] {
        let copy = format!(
            "UPDATE tenants SET {column} = (SELECT {column} FROM tenants WHERE id = 'victim') WHERE id = 'thief'"
        );
        assert_eq!(stores.execute(&copy).await, 1);
        let opened = store.tenant(&id("thief")).await;
        let Err(StoreError::Sealed {
            tenant,
            field,
            source,
        }) = opened
        else {
            panic!("{opened:?}")
        };
        assert_eq!((tenant, field), (id("thief"), column));
        assert_eq!(source, DoesNotOpen::Forged);
        store.delete(&id("thief"), None).await.unwrap();
        store.create(&application("thief")).await.unwrap();
    }
    // The same within one tenant: another field.
    let swap = "UPDATE tenants SET access_token = refresh_token WHERE id = 'thief'";
    assert_eq!(stores.execute(swap).await, 1);
    let opened = store.tenant(&id("thief")).await;
    assert!(
        matches!(opened, Err(StoreError::Sealed { .. })),
        "{opened:?}"
    );
    // A whole row under another id.
    let rename = "UPDATE tenants SET id = 'hook2' WHERE id = 'hook'";
    assert_eq!(stores.execute(rename).await, 1);
    let opened = store.tenant(&id("hook2")).await;
    assert!(
        matches!(opened, Err(StoreError::Sealed { .. })),
        "{opened:?}"
    );
    assert!(store.tenant(&id("victim")).await.unwrap().is_some());
}

async fn a_tenant_that_cannot_be_read_does_not_hide_the_others(stores: Stores) {
    let store = stores.open(&keyring()).await;
    for name in ["a", "b", "c"] {
        store.create(&webhook(name)).await.unwrap();
    }
    stores
        .execute("UPDATE tenants SET webhook_secret = NULL WHERE id = 'b'")
        .await;
    let page = store.tenants(None, 10).await.unwrap();
    assert_eq!(page[0].as_ref().unwrap().id, id("a"));
    let unreadable = page[1].as_ref().unwrap_err();
    assert_eq!(unreadable.id, id("b"));
    assert!(
        matches!(unreadable.source, StoreError::Corrupt(_)),
        "{unreadable:?}"
    );
    assert_eq!(page[2].as_ref().unwrap().id, id("c"));
    // It can still be deleted.
    store.delete(&id("b"), Some(1)).await.unwrap();
}

async fn no_secret_lies_in_clear_text(stores: Stores) {
    let keyring = keyring();
    let store = stores.open(&keyring).await;
    for number in 0..20 {
        store
            .create(&application(&format!("app{number}")))
            .await
            .unwrap();
        store
            .create(&webhook(&format!("hook{number}")))
            .await
            .unwrap();
    }
    let modify = change(&store, "app7", |tenant| {
        application_of(tenant).access_token = Some(format!("new-{CANARY}").into());
    });
    modify.await;
    store.delete(&id("app3"), None).await.unwrap();
    store.reseal().await.unwrap();

    let mut bytes = Vec::new();
    if let Some(file) = stores.file() {
        for entry in std::fs::read_dir(file.parent().unwrap()).unwrap() {
            bytes.extend(std::fs::read(entry.unwrap().path()).unwrap());
        }
    } else {
        for table in [
            "tenants",
            "deleted_tenants",
            "refresh_leases",
            "change_counter",
        ] {
            let rows = format!("SELECT CAST(t AS TEXT) FROM {table} t");
            bytes.extend(stores.texts(&rows).await.concat().into_bytes());
        }
    }
    let text = String::from_utf8_lossy(&bytes);
    // What is no secret is there: the search looks in the right place.
    assert!(text.contains("app7.bitrix24.example"));
    assert!(!text.contains(CANARY));
    let hexadecimal: String = CANARY.bytes().map(|byte| format!("{byte:02x}")).collect();
    assert!(!text.contains(&hexadecimal));
    let shown = format!("{store:?} {:?}", store.tenants(None, 100).await.unwrap());
    assert!(
        !shown.contains(CANARY) && !shown.contains("b24s_"),
        "{shown}"
    );
}

async fn after_a_change_of_keys_under_load_the_old_key_is_not_needed(stores: Stores) {
    let (old, new) = (Key::generate().unwrap(), Key::generate().unwrap());
    let service_keys = keyring_of(&[&old, &new]);
    let store = stores.open(&service_keys).await;
    for number in 0..130 {
        store
            .create(&application(&format!("app{number}")))
            .await
            .unwrap();
    }
    store.create(&webhook("hook")).await.unwrap();
    let values = 130 * 4 + 1;
    assert_eq!(store.key_use().await.unwrap(), [(old.id().clone(), values)]);

    // The service goes on writing, first under the old key, as long as nobody has told it.
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let (store, stop) = (store.clone(), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut count = 0_u32;
                while !stop.load(Ordering::Relaxed) || count < 8 {
                    count += 1;
                    let name = format!("app{}", (count * 4 + writer) % 130);
                    let changed = change(&store, &name, |tenant| {
                        let token = format!("{writer}-{count}");
                        application_of(tenant).access_token = Some(token.into());
                    });
                    let changed = changed.await;
                    assert!(changed.revision > 1);
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                count
            })
        })
        .collect();
    let operator_keys = keyring_of(&[&new, &old]);
    let operator = stores.try_open(&operator_keys, Access::Maintenance);
    let operator = operator.await.unwrap();
    let first = operator.reseal().await.unwrap();
    assert!(first.tenants > 0 && first.values >= first.tenants);
    assert!(first.unreadable.is_empty());

    service_keys.replace(keyring_of(&[&new, &old]));
    stop.store(true, Ordering::Relaxed);
    let mut written = 0;
    for writer in writers {
        written += writer.await.unwrap();
    }
    let mut rounds = 0;
    while operator.key_use().await.unwrap() != [(new.id().clone(), values)] {
        operator.reseal().await.unwrap();
        rounds += 1;
        assert!(rounds < 10, "{:?}", operator.key_use().await);
    }
    let nothing = operator.reseal().await.unwrap();
    assert_eq!(
        (nothing.tenants, nothing.values, nothing.changed_meanwhile),
        (0, 0, 0)
    );

    let before: Vec<_> = store.tenants(None, 200).await.unwrap();
    drop((store, operator));
    let store = stores.open(&keyring_of(&[&new])).await;
    let mut revisions = 0;
    let after = store.tenants(None, 200).await.unwrap();
    assert_eq!(after.len(), 131);
    for (before, after) in before.iter().zip(&after) {
        let (before, after) = (before.as_ref().unwrap(), after.as_ref().unwrap());
        assert_eq!(everything(before), everything(after));
        revisions += after.revision - 1;
    }
    // Every write of the service has survived.
    assert_eq!(revisions, i64::from(written));
}

async fn a_missing_key_is_named_and_nothing_starts(stores: Stores) {
    let key = Key::generate().unwrap();
    let store = stores.open(&keyring_of(&[&key])).await;
    // A store without secrets needs no key.
    drop(store);
    let store = stores.open(&keyring()).await;
    drop(store);
    let store = stores.open(&keyring_of(&[&key])).await;
    store.create(&webhook("acme")).await.unwrap();
    drop(store);
    let refused = stores.try_open(&keyring(), Access::Service).await;
    let Err(OpenError::MissingKeys(missing)) = &refused else {
        panic!("{refused:?}")
    };
    assert_eq!(missing, &[key.id().clone()]);
    let told = refused.unwrap_err().to_string();
    assert!(told.contains(key.id().as_str()), "{told}");
    assert!(told.contains("add the old key"), "{told}");
}

async fn an_operator_may_look_without_all_keys(stores: Stores) {
    let key = Key::generate().unwrap();
    let store = stores.open(&keyring_of(&[&key])).await;
    store.create(&webhook("acme")).await.unwrap();
    let operator = stores
        .try_open(&keyring(), Access::Maintenance)
        .await
        .unwrap();
    assert_eq!(operator.key_use().await.unwrap(), [(key.id().clone(), 1)]);
    let resealed = operator.reseal().await.unwrap();
    assert_eq!((resealed.tenants, resealed.values), (0, 0));
    assert_eq!(resealed.unreadable.len(), 1);
    assert!(store.tenant(&id("acme")).await.unwrap().is_some());
}
