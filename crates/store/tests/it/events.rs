//! The time of the newest installation event stands with the tenant.

use jiff::Timestamp;
use store::{CreateError, StoredTenant};

use crate::support::stores::{Stores, application, change, id, keyring, on_both_stores};

on_both_stores!(
    the_time_of_the_newest_event_is_there_after_a_restart,
    an_event_from_before_a_deletion_brings_no_tenant_back,
);

fn at(second: i64) -> Option<Timestamp> {
    Some(Timestamp::from_second(second).unwrap())
}

fn installed(name: &str, second: i64) -> StoredTenant {
    let mut tenant = application(name);
    tenant.last_event = at(second);
    tenant
}

async fn the_time_of_the_newest_event_is_there_after_a_restart(stores: Stores) {
    let keyring = keyring();
    let store = stores.open(&keyring).await;
    store.create(&installed("acme", 1000)).await.unwrap();
    let changed = change(&store, "acme", |tenant| tenant.last_event = at(2000));
    assert_eq!(changed.await.revision, 2);
    drop(store);
    let store = stores.open(&keyring).await;
    let stored = store.tenant(&id("acme")).await.unwrap().unwrap();
    assert_eq!(stored.last_event, at(2000));
}

async fn an_event_from_before_a_deletion_brings_no_tenant_back(stores: Stores) {
    let store = stores.open(&keyring()).await;
    store.create(&installed("by-hand", 2000)).await.unwrap();
    store.delete(&id("by-hand"), None).await.unwrap();
    // The event would create it under its own id.
    let late = store.create(&installed("chat.a223", 1999)).await;
    assert!(matches!(late, Err(CreateError::Outdated)), "{late:?}");
    let mut elsewhere = installed("chat.b223", 1999);
    elsewhere.member_id = Some(bitrix24::MemberId::parse("b223").unwrap());
    store.create(&elsewhere).await.unwrap();
    store.create(&installed("chat.a223", 2000)).await.unwrap();
    // An operator's own tenant is no event.
    let mut by_hand = application("by-hand");
    by_hand.last_event = None;
    store.create(&by_hand).await.unwrap();
}
