//! Refreshes while the store is slow, locked or away.

use std::time::Duration;

use sandbox::{Fault, FaultKind, Moment};

use super::Office;
use super::trouble::{lock_for_writing, take_away};
use crate::support::proxy::{Mode, Proxy};
use crate::support::stores::{Stores, on_both_stores};
use crate::support::{REFRESHABLE, Told, until};

on_both_stores!(
    a_new_pair_is_used_by_nobody_before_it_is_stored,
    a_store_that_is_locked_delays_a_refresh_and_loses_nothing,
    calls_with_a_valid_token_need_no_store,
    a_tenant_that_is_not_in_memory_needs_the_store,
);

async fn a_new_pair_is_used_by_nobody_before_it_is_stored(stores: Stores) {
    // The response comes while the store is locked for writing.
    let (office, gate) = Office::held(stores, Moment::After).await;
    office.call("first").await.unwrap();
    office.expire();
    let locked = async {
        office.token_requests_have_come(1).await;
        let lock = lock_for_writing(&office.stores).await;
        gate.open();
        until("the server has granted the pair", || {
            office.refreshes() == 1
        })
        .await;
        // Long enough for a service that does not wait for the store to use it.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        let delivered = office.sandbox.record().times_delivered("second");
        assert_eq!(delivered, 0, "nobody has used it");
        lock.release().await;
    };
    let (answer, ()) = tokio::join!(office.call("second"), locked);
    answer.unwrap();
    assert!(office.has_the_live_pair().await);
    assert_eq!(office.refreshes(), 1);
    assert_eq!(office.ended("refreshed").await, 1);
}

async fn a_store_that_is_locked_delays_a_refresh_and_loses_nothing(stores: Stores) {
    let office = Office::open(stores).await;
    office.call("first").await.unwrap();
    office.expire();
    let lock = lock_for_writing(&office.stores).await;
    let status = office
        .call_within("locked", Duration::from_secs(2))
        .await
        .unwrap_err();
    assert_eq!(status.outcome(), "not_executed", "{status:?}");
    assert_eq!(
        office.token_requests(),
        0,
        "without the lease nobody is asked"
    );
    lock.release().await;
    office.after_the_pause().await;
    office.call("unlocked").await.unwrap();
    assert_eq!(office.refreshes(), 1);
}

/// The database is away from the replica that has bought a new pair, for longer than its lease
/// lasts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_takes_a_lease_over_waits_for_the_pair_of_the_one_that_fell_silent() {
    let Some(stores) = Stores::postgresql().await else {
        return;
    };
    let office = Office::open(stores).await;
    let (proxy, through_proxy) = Proxy::before(office.stores.url()).await;
    let silent = office.replica_at(&through_proxy).await;
    for service in [&office.service, &silent] {
        office.call_of(service, REFRESHABLE, "first").await.unwrap();
    }

    let slow = FaultKind::Slow(Moment::After, Duration::from_millis(600));
    office.sandbox.inject(Fault::once(slow).for_oauth());
    office.expire();
    let outage = async {
        until("the pair is granted", || office.refreshes() == 1).await;
        proxy.set(Mode::Cut);
        tokio::time::sleep(Duration::from_secs(8)).await;
        proxy.set(Mode::Open);
    };
    let other = async {
        until("the pair is granted", || office.refreshes() == 1).await;
        office.call("through the other").await
    };
    let buyer = office.call_of(&silent, REFRESHABLE, "through the buyer");
    let (buyer, other, ()) = tokio::join!(buyer, other, outage);
    buyer.unwrap();
    other.unwrap();
    assert_eq!(office.refreshes(), 1);
    assert_eq!(office.sandbox.record().refused_with("invalid_grant"), 1);
    assert_eq!(office.mark().await, None);
    assert!(office.has_the_live_pair().await);
}

async fn calls_with_a_valid_token_need_no_store(stores: Stores) {
    let office = Office::open(stores).await;
    office.call("first").await.unwrap();
    take_away(&office.stores).await;
    for _ in 0..20 {
        office.call("next").await.unwrap();
    }
    assert_eq!(office.sandbox.record().times_delivered("next"), 20);
}

async fn a_tenant_that_is_not_in_memory_needs_the_store(stores: Stores) {
    let office = Office::open(stores).await;
    take_away(&office.stores).await;
    let status = office.call("first").await.unwrap_err();
    assert_eq!(status.reason(), "STORE_UNAVAILABLE");
    assert_eq!(status.code(), tonic::Code::Unavailable);
    assert_eq!(
        status.metadata_value("tenantId").as_deref(),
        Some("refreshable")
    );
}
