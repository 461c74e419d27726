//! Who may refresh.

use std::time::Duration;

use futures_util::future::join_all;
use store::{Previous, RefreshLease, StoreError};
use uuid::Uuid;

use crate::support::everything;
use crate::support::stores::{
    Stores, application, application_of, change, id, keyring, on_both_stores, webhook,
};

on_both_stores!(
    one_owner_at_a_time_holds_the_lease,
    of_many_concurrent_attempts_exactly_one_acquires_the_lease,
    a_lease_that_is_not_released_expires,
    a_lease_is_renewed_by_its_owner_only,
    a_late_replica_learns_what_was_stored_meanwhile,
    there_is_no_lease_on_what_cannot_be_refreshed,
    the_leases_of_tenants_are_their_own,
    a_refresh_that_ends_without_an_outcome_is_told_to_the_next_of_the_same_tokens_only,
);

const LONG: Duration = Duration::from_secs(60);

#[track_caller]
fn assert_acquired(lease: &Result<RefreshLease, StoreError>, after: Previous) {
    match lease {
        Ok(RefreshLease::Acquired { previous, .. }) => assert_eq!(*previous, after),
        other => panic!("{other:?}"),
    }
}

async fn one_owner_at_a_time_holds_the_lease(stores: Stores) {
    let keyring = keyring();
    let store = stores.open(&keyring).await;
    let other = stores.replica(&store, &keyring).await;
    let created = store.create(&application("acme")).await.unwrap();
    let (mine, theirs) = (Uuid::new_v4(), Uuid::new_v4());

    let lease = store
        .acquire_refresh_lease(&created.id, 1, mine, LONG)
        .await;
    let Ok(RefreshLease::Acquired {
        tenant,
        previous: Previous::Settled,
    }) = lease
    else {
        panic!("{lease:?}")
    };
    assert_eq!(everything(&tenant), everything(&created));
    let held = other
        .acquire_refresh_lease(&created.id, 1, theirs, LONG)
        .await;
    assert!(matches!(held, Ok(RefreshLease::Held)), "{held:?}");
    // Asking twice takes nothing from oneself.
    let again = store
        .acquire_refresh_lease(&created.id, 1, mine, LONG)
        .await;
    assert_acquired(&again, Previous::Settled);

    // What is somebody else's cannot be given back.
    other
        .release_refresh_lease(&created.id, theirs)
        .await
        .unwrap();
    let held = other
        .acquire_refresh_lease(&created.id, 1, theirs, LONG)
        .await;
    assert!(matches!(held, Ok(RefreshLease::Held)), "{held:?}");
    store
        .release_refresh_lease(&created.id, mine)
        .await
        .unwrap();
    let taken = other
        .acquire_refresh_lease(&created.id, 1, theirs, LONG)
        .await;
    assert_acquired(&taken, Previous::Settled);
}

async fn of_many_concurrent_attempts_exactly_one_acquires_the_lease(stores: Stores) {
    let keyring = keyring();
    let store = stores.open(&keyring).await;
    let other = stores.replica(&store, &keyring).await;
    store.create(&application("acme")).await.unwrap();
    let asking = (0..40).map(|number| {
        let store = if number % 2 == 0 { &store } else { &other }.clone();
        tokio::spawn(async move {
            let acme = id("acme");
            let lease = store.acquire_refresh_lease(&acme, 1, Uuid::new_v4(), LONG);
            match lease.await.unwrap() {
                RefreshLease::Acquired {
                    previous: Previous::Settled,
                    ..
                } => true,
                RefreshLease::Held => false,
                told @ (RefreshLease::Acquired { .. }
                | RefreshLease::Superseded(_)
                | RefreshLease::Gone) => {
                    panic!("{told:?}")
                }
            }
        })
    });
    let taken = join_all(asking).await;
    assert_eq!(
        taken
            .iter()
            .filter(|taken| *taken.as_ref().unwrap())
            .count(),
        1
    );
}

async fn a_lease_that_is_not_released_expires(stores: Stores) {
    let store = stores.open(&keyring()).await;
    store.create(&application("acme")).await.unwrap();
    let (dead, alive) = (Uuid::new_v4(), Uuid::new_v4());
    let short = Duration::from_millis(400);
    let taken = store
        .acquire_refresh_lease(&id("acme"), 1, dead, short)
        .await;
    assert_acquired(&taken, Previous::Settled);
    let begun = std::time::Instant::now();
    while let RefreshLease::Held = store
        .acquire_refresh_lease(&id("acme"), 1, alive, LONG)
        .await
        .unwrap()
    {
        assert!(begun.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // The answer about the lease came later than the lease itself.
    assert!(begun.elapsed() >= Duration::from_millis(300), "{begun:?}");
    // Whoever slept over it learns that it is lost.
    assert!(
        !store
            .renew_refresh_lease(&id("acme"), dead, LONG)
            .await
            .unwrap()
    );
}

async fn a_lease_is_renewed_by_its_owner_only(stores: Stores) {
    let store = stores.open(&keyring()).await;
    store.create(&application("acme")).await.unwrap();
    let (mine, theirs) = (Uuid::new_v4(), Uuid::new_v4());
    assert!(
        !store
            .renew_refresh_lease(&id("acme"), mine, LONG)
            .await
            .unwrap()
    );
    let short = Duration::from_millis(300);
    store
        .acquire_refresh_lease(&id("acme"), 1, mine, short)
        .await
        .unwrap();
    assert!(
        !store
            .renew_refresh_lease(&id("acme"), theirs, LONG)
            .await
            .unwrap()
    );
    assert!(
        store
            .renew_refresh_lease(&id("acme"), mine, LONG)
            .await
            .unwrap()
    );
    tokio::time::sleep(short * 2).await;
    let held = store
        .acquire_refresh_lease(&id("acme"), 1, theirs, LONG)
        .await;
    assert!(matches!(held, Ok(RefreshLease::Held)), "{held:?}");
}

async fn a_late_replica_learns_what_was_stored_meanwhile(stores: Stores) {
    let store = stores.open(&keyring()).await;
    store.create(&application("acme")).await.unwrap();
    let owner = Uuid::new_v4();
    store
        .acquire_refresh_lease(&id("acme"), 1, owner, LONG)
        .await
        .unwrap();
    let modify = change(&store, "acme", |tenant| {
        application_of(tenant).access_token = Some("new".into());
    });
    let stored = modify.await;
    store
        .release_refresh_lease(&id("acme"), owner)
        .await
        .unwrap();

    let late = store
        .acquire_refresh_lease(&id("acme"), 1, Uuid::new_v4(), LONG)
        .await;
    let Ok(RefreshLease::Superseded(tenant)) = late else {
        panic!("{late:?}")
    };
    assert_eq!(everything(&tenant), everything(&stored));
    // Being told so takes nothing: the next one need not wait.
    let next = store
        .acquire_refresh_lease(&id("acme"), 2, Uuid::new_v4(), LONG)
        .await;
    assert_acquired(&next, Previous::Settled);
}

async fn there_is_no_lease_on_what_cannot_be_refreshed(stores: Stores) {
    let store = stores.open(&keyring()).await;
    let gone = store
        .acquire_refresh_lease(&id("none"), 1, Uuid::new_v4(), LONG)
        .await;
    assert!(matches!(gone, Ok(RefreshLease::Gone)), "{gone:?}");
    store.create(&webhook("hook")).await.unwrap();
    let webhook = store
        .acquire_refresh_lease(&id("hook"), 1, Uuid::new_v4(), LONG)
        .await;
    assert!(
        matches!(webhook, Ok(RefreshLease::Superseded(_))),
        "{webhook:?}"
    );

    // A deleted tenant takes its lease with it.
    store.create(&application("acme")).await.unwrap();
    store
        .acquire_refresh_lease(&id("acme"), 1, Uuid::new_v4(), LONG)
        .await
        .unwrap();
    store.delete(&id("acme"), None).await.unwrap();
    store.create(&application("acme")).await.unwrap();
    let taken = store
        .acquire_refresh_lease(&id("acme"), 2, Uuid::new_v4(), LONG)
        .await;
    assert_acquired(&taken, Previous::Settled);
}

async fn the_leases_of_tenants_are_their_own(stores: Stores) {
    let store = stores.open(&keyring()).await;
    for name in ["one", "two"] {
        store.create(&application(name)).await.unwrap();
        let taken = store
            .acquire_refresh_lease(&id(name), 1, Uuid::new_v4(), LONG)
            .await;
        assert_acquired(&taken, Previous::Settled);
    }
}

async fn a_refresh_that_ends_without_an_outcome_is_told_to_the_next_of_the_same_tokens_only(
    stores: Stores,
) {
    let store = stores.open(&keyring()).await;
    let created = store.create(&application("acme")).await.unwrap();
    let (id, first, next) = (created.id, Uuid::new_v4(), Uuid::new_v4());
    let acquire =
        |generation, owner, time| store.acquire_refresh_lease(&id, generation, owner, time);
    assert_acquired(&acquire(1, first, LONG).await, Previous::Settled);
    // Not by somebody else.
    store.abandon_refresh_lease(&id, next).await.unwrap();
    let held = acquire(1, next, LONG).await;
    assert!(matches!(held, Ok(RefreshLease::Held)), "{held:?}");
    store.abandon_refresh_lease(&id, first).await.unwrap();
    assert_acquired(&acquire(1, next, LONG).await, Previous::Lost);
    store.release_refresh_lease(&id, next).await.unwrap();
    assert_acquired(&acquire(1, next, LONG).await, Previous::Settled);

    // New tokens come while the owner is gone: the old story says nothing of them.
    for abandoned in [true, false] {
        if abandoned {
            store.abandon_refresh_lease(&id, next).await.unwrap();
        }
        let changed = change(&store, "acme", |tenant| {
            application_of(tenant).refresh_token = Some(Uuid::new_v4().to_string().into());
        });
        let generation = changed.await.application().unwrap().generation;
        let after = acquire(generation, next, Duration::ZERO).await;
        assert_acquired(&after, Previous::Settled);
    }
}

#[tokio::test]
async fn on_sqlite_a_lease_of_a_killed_process_is_free_at_the_start_and_tells_of_it() {
    let stores = Stores::sqlite();
    let keyring = keyring();
    let store = stores.open(&keyring).await;
    let created = store.create(&application("acme")).await.unwrap();
    let (killed, next) = (Uuid::new_v4(), Uuid::new_v4());
    let acquire = async |store: &store::Store, owner| {
        store
            .acquire_refresh_lease(&created.id, 1, owner, LONG)
            .await
    };
    assert_acquired(&acquire(&store, killed).await, Previous::Settled);
    drop(store);
    let store = stores.open(&keyring).await;
    assert_acquired(&acquire(&store, next).await, Previous::Killed);
    store
        .abandon_refresh_lease(&created.id, next)
        .await
        .unwrap();
    drop(store);
    let store = stores.open(&keyring).await;
    assert_acquired(&acquire(&store, killed).await, Previous::Lost);
}
