//! Entries of the tenants file, applied in groups.

use futures_util::future::join_all;
use store::{Applied, StoredTenant};

use crate::support::everything;
use crate::support::stores::{
    Stores, application, application_of, id, keyring, on_both_stores, webhook,
};

on_both_stores!(
    a_group_is_stored_like_single_tenants,
    only_changed_entries_are_written,
    a_tenant_that_cannot_be_read_keeps_no_other_entry_back,
    replicas_that_apply_the_same_entries_at_once_apply_them_once,
);

/// The change of the tenants file, as far as these tests need it.
fn take(tenant: &mut StoredTenant, entry: &StoredTenant) {
    *tenant = entry.clone();
}

fn entry(mut tenant: StoredTenant, version: u8) -> StoredTenant {
    tenant.file_fingerprint = Some([version; 32]);
    tenant.display_name = format!("version {version}");
    tenant
}

fn names(applied: &[Applied]) -> Vec<&'static str> {
    let applied = applied.iter().map(|how| match how {
        Applied::Created => "created",
        Applied::Updated => "updated",
        Applied::Unchanged => "unchanged",
        Applied::Unreadable(_) => "unreadable",
    });
    applied.collect()
}

async fn a_group_is_stored_like_single_tenants(stores: Stores) {
    let keyring = keyring();
    let store = stores.open(&keyring).await;
    store.create(&webhook("b")).await.unwrap();
    store.delete(&id("b"), None).await.unwrap();
    let before = store.last_change().await.unwrap();
    let entries = [application("a"), webhook("b"), application("c")];
    let entries = entries.map(|tenant| entry(tenant, 1));
    let applied = store.apply_entries(&entries, take).await.unwrap();
    assert_eq!(names(&applied), ["created"; 3]);
    drop(store);
    let store = stores.open(&keyring).await;
    for entry in &entries {
        let mut stored = store.tenant(&entry.id).await.unwrap().unwrap();
        // It counts on from the one that was deleted.
        let revision = if stored.id == id("b") { 2 } else { 1 };
        assert_eq!(stored.revision, revision);
        assert_eq!(stored.created_at, stored.updated_at);
        stored.revision = entry.revision;
        stored.created_at = entry.created_at;
        stored.updated_at = entry.updated_at;
        assert_eq!(everything(&stored), everything(entry));
    }
    let changes = store.changes_since(before, 10).await.unwrap();
    assert_eq!(changes.ids, [id("a"), id("b"), id("c")]);
    assert_eq!(changes.up_to, store.last_change().await.unwrap());
}

async fn only_changed_entries_are_written(stores: Stores) {
    let store = stores.open(&keyring()).await;
    let mut entries = ["a", "b", "c"].map(|name| entry(application(name), 1));
    store.apply_entries(&entries, take).await.unwrap();
    let before = store.last_change().await.unwrap();
    let applied = store.apply_entries(&entries, take).await.unwrap();
    assert_eq!(names(&applied), ["unchanged"; 3]);
    assert_eq!(store.last_change().await.unwrap(), before);

    entries[1] = entry(application("b"), 2);
    application_of(&mut entries[1]).access_token = Some("new-token".into());
    entries[2] = entry(application("c"), 2);
    let applied = store.apply_entries(&entries, take).await.unwrap();
    assert_eq!(names(&applied), ["unchanged", "updated", "updated"]);
    let changes = store.changes_since(before, 10).await.unwrap();
    assert_eq!(changes.ids, [id("b"), id("c")]);
    for (name, revision, generation) in [("a", 1, 1), ("b", 2, 2), ("c", 2, 1)] {
        let stored = store.tenant(&id(name)).await.unwrap().unwrap();
        let application = stored.application().unwrap();
        let versions = (stored.revision, application.generation);
        assert_eq!(versions, (revision, generation), "{name}");
    }
}

async fn a_tenant_that_cannot_be_read_keeps_no_other_entry_back(stores: Stores) {
    let store = stores.open(&keyring()).await;
    let entries = ["a", "b"].map(|name| entry(webhook(name), 1));
    store.apply_entries(&entries, take).await.unwrap();
    stores
        .execute("UPDATE tenants SET webhook_secret = NULL WHERE id = 'a'")
        .await;
    let entries = ["a", "b", "c"].map(|name| entry(webhook(name), 2));
    let applied = store.apply_entries(&entries, take).await.unwrap();
    assert_eq!(names(&applied), ["unreadable", "updated", "created"]);
}

async fn replicas_that_apply_the_same_entries_at_once_apply_them_once(stores: Stores) {
    let keyring = keyring();
    let store = stores.open(&keyring).await;
    let entries: Vec<_> = (0..40)
        .map(|number| entry(webhook(&format!("t{number}")), 1))
        .collect();
    let mut replicas = Vec::new();
    for _ in 0..4 {
        replicas.push(stores.replica(&store, &keyring).await);
    }
    let applying = replicas
        .iter()
        .map(|store| store.apply_entries(&entries, take));
    let applied = join_all(applying).await;
    let applied = applied.iter().flat_map(|applied| applied.as_ref().unwrap());
    let created = applied.filter(|how| matches!(how, Applied::Created));
    assert_eq!(created.count(), 40);
    assert_eq!(store.count().await.unwrap().tenants, 40);
}
