//! Many writers at once.

use std::collections::BTreeSet;

use futures_util::future::join_all;

use crate::support::stores::{Stores, change, id, keyring, on_both_stores, webhook};

on_both_stores!(
    of_32_concurrent_writers_none_is_lost,
    of_many_who_create_one_tenant_exactly_one_succeeds,
    all_of_500_concurrent_changes_are_seen_in_order,
);

async fn of_32_concurrent_writers_none_is_lost(stores: Stores) {
    let keyring = keyring();
    let store = stores.open(&keyring).await;
    let other = stores.replica(&store, &keyring).await;
    let mut tenant = webhook("acme");
    tenant.display_name = "0".to_owned();
    store.create(&tenant).await.unwrap();
    let writers = (0..32).map(|writer| {
        let store = if writer % 2 == 0 { &store } else { &other }.clone();
        tokio::spawn(async move {
            for _ in 0..4 {
                let modify = change(&store, "acme", |tenant| {
                    let count: u32 = tenant.display_name.parse().unwrap();
                    tenant.display_name = (count + 1).to_string();
                });
                modify.await;
            }
        })
    });
    for writer in join_all(writers).await {
        writer.unwrap();
    }
    let counted = store.tenant(&id("acme")).await.unwrap().unwrap();
    assert_eq!(counted.display_name, "128");
    assert_eq!(counted.revision, 129);
}

async fn of_many_who_create_one_tenant_exactly_one_succeeds(stores: Stores) {
    let store = stores.open(&keyring()).await;
    let creators = (0..16).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { store.create(&webhook("acme")).await.is_ok() })
    });
    let created = join_all(creators).await;
    assert_eq!(
        created
            .iter()
            .filter(|created| *created.as_ref().unwrap())
            .count(),
        1
    );
    assert_eq!(store.count().await.unwrap().tenants, 1);
}

async fn all_of_500_concurrent_changes_are_seen_in_order(stores: Stores) {
    let keyring = keyring();
    let store = stores.open(&keyring).await;
    let other = stores.replica(&store, &keyring).await;
    for number in 0..50 {
        store.create(&webhook(&format!("t{number}"))).await.unwrap();
    }
    let first = store.last_change().await.unwrap();
    assert_eq!(first, 50);

    // Somebody who follows the changes and keeps what each tenant looked like when it was told.
    let follower = {
        let store = other.clone();
        tokio::spawn(async move {
            let mut up_to = first;
            let mut known = std::collections::BTreeMap::new();
            while up_to < first + 500 {
                let changes = store.changes_since(up_to, 7).await.unwrap();
                assert!(changes.up_to >= up_to);
                let distinct: BTreeSet<_> = changes.ids.iter().collect();
                assert_eq!(distinct.len(), changes.ids.len());
                for id in changes.ids {
                    let tenant = store.tenant(&id).await.unwrap();
                    known.insert(id, tenant.map(|tenant| tenant.display_name));
                }
                up_to = changes.up_to;
            }
            known
        })
    };
    let writers = (0..50).map(|number| {
        let store = if number % 2 == 0 { &store } else { &other }.clone();
        tokio::spawn(async move {
            let name = format!("t{number}");
            for round in 0..9 {
                let modify = change(&store, &name, |tenant| {
                    tenant.display_name = round.to_string();
                });
                modify.await;
            }
            if number % 3 == 0 {
                store.delete(&id(&name), None).await.unwrap();
            } else {
                let modify = change(&store, &name, |tenant| {
                    tenant.display_name = "last".to_owned();
                });
                modify.await;
            }
        })
    });
    for writer in join_all(writers).await {
        writer.unwrap();
    }
    let known = follower.await.unwrap();
    assert_eq!(store.last_change().await.unwrap(), first + 500);
    assert_eq!(known.len(), 50);
    for number in 0..50 {
        let seen = known[&id(&format!("t{number}"))].as_deref();
        let expected = (number % 3 != 0).then_some("last");
        assert_eq!(seen, expected, "t{number}");
    }
}
