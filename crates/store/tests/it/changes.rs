//! What others hear of changes.

use store::Changes;

use crate::support::stores::{Stores, change, id, keyring, on_both_stores, webhook};

on_both_stores!(
    every_change_has_the_next_number_and_deletions_are_changes,
    leases_and_new_seals_are_no_changes,
);

async fn every_change_has_the_next_number_and_deletions_are_changes(stores: Stores) {
    let store = stores.open(&keyring()).await;
    let changes = async |since, limit| store.changes_since(since, limit).await.unwrap();
    let of = |up_to, ids: &[&str]| Changes {
        up_to,
        ids: ids.iter().map(|name| id(name)).collect(),
    };
    assert_eq!(store.last_change().await.unwrap(), 0);
    assert_eq!(changes(0, 10).await, of(0, &[]));

    for name in ["a", "b", "c"] {
        store.create(&webhook(name)).await.unwrap();
    }
    assert_eq!(changes(0, 10).await, of(3, &["a", "b", "c"]));
    assert_eq!(changes(0, 2).await, of(2, &["a", "b"]));
    assert_eq!(changes(2, 2).await, of(3, &["c"]));

    let modify = change(&store, "a", |tenant| {
        tenant.disabled = false;
    });
    modify.await;
    store.delete(&id("b"), None).await.unwrap();
    assert_eq!(store.last_change().await.unwrap(), 5);
    assert_eq!(changes(0, 10).await, of(5, &["c", "a", "b"]));
    assert_eq!(changes(5, 10).await, of(5, &[]));

    store.create(&webhook("b")).await.unwrap();
    assert_eq!(changes(3, 10).await, of(6, &["a", "b"]));
}

async fn leases_and_new_seals_are_no_changes(stores: Stores) {
    let store = stores.open(&keyring()).await;
    store.create(&webhook("a")).await.unwrap();
    let owner = uuid::Uuid::new_v4();
    let time = std::time::Duration::from_secs(5);
    store
        .acquire_refresh_lease(&id("a"), 1, owner, time)
        .await
        .unwrap();
    store.release_refresh_lease(&id("a"), owner).await.unwrap();
    store.reseal().await.unwrap();
    assert_eq!(store.last_change().await.unwrap(), 1);
}
