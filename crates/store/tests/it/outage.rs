//! PostgreSQL goes away and comes back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use store::{Access, ModifyError, Store, StoreError, StoreUrl};

use crate::support::proxy::{Mode, Proxy};
use crate::support::stores::{Stores, change, id, keyring, webhook};

/// The longest that any method may take, with room for a slow machine.
const LIMIT: Duration = Duration::from_secs(13);

/// A store behind a proxy, with one tenant.
async fn behind_a_proxy() -> Option<(Stores, Proxy, Store)> {
    let stores = Stores::postgresql().await?;
    let (proxy, url) = Proxy::before(stores.url()).await;
    let url = StoreUrl::parse(&url).unwrap();
    let store = Store::open(&url, keyring(), Access::Service).await.unwrap();
    store.create(&webhook("acme")).await.unwrap();
    Some((stores, proxy, store))
}

async fn fails_in_time(store: &Store) {
    let begun = Instant::now();
    let acme = id("acme");
    let read = store.tenant(&acme);
    let modify = store.modify(&acme, |tenant| {
        tenant.disabled = !tenant.disabled;
        Ok::<_, ()>(())
    });
    let (read, modified) = tokio::join!(read, modify);
    assert!(matches!(read, Err(StoreError::Unavailable(_))), "{read:?}");
    let unavailable = matches!(
        modified,
        Err(ModifyError::Store(StoreError::Unavailable(_)))
    );
    assert!(unavailable, "{modified:?}");
    assert!(begun.elapsed() < LIMIT, "{:?}", begun.elapsed());
}

async fn works_again(store: &Store) {
    let begun = Instant::now();
    while let Err(error) = store.last_change().await {
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
        assert!(begun.elapsed() < LIMIT, "{error:?}");
    }
    // All connections are of use again, not only one.
    let reads = join_all((0..40).map(|_| store.tenants(None, 10))).await;
    for read in reads {
        assert_eq!(read.unwrap().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_cuts_its_connections_is_told_of_in_time_and_used_again() {
    let Some((_stores, proxy, store)) = behind_a_proxy().await else {
        return;
    };
    works_again(&store).await;
    proxy.set(Mode::Cut);
    fails_in_time(&store).await;
    proxy.set(Mode::Open);
    works_again(&store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_falls_silent_is_told_of_in_time_and_used_again() {
    let Some((_stores, proxy, store)) = behind_a_proxy().await else {
        return;
    };
    works_again(&store).await;
    proxy.set(Mode::Silent);
    fails_in_time(&store).await;
    proxy.set(Mode::Open);
    works_again(&store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_who_give_up_leave_no_connection_unusable() {
    let Some((_stores, _proxy, store)) = behind_a_proxy().await else {
        return;
    };
    for wait in 0..60 {
        let modify = change(&store, "acme", |tenant| tenant.display_name.push('x'));
        let _ = tokio::time::timeout(Duration::from_micros(wait * 50), modify).await;
    }
    works_again(&store).await;
    let changed = change(&store, "acme", |tenant| {
        tenant.display_name = "still".to_owned();
    });
    assert_eq!(changed.await.display_name, "still");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_not_there_at_the_start_is_told_of_in_time() {
    let url = StoreUrl::parse("postgresql://openlines@127.0.0.1:1/openlines").unwrap();
    let begun = Instant::now();
    let refused = Store::open(&url, keyring(), Access::Service)
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("not available"), "{refused}");
    assert!(begun.elapsed() < LIMIT);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_somebody_else_holds_is_not_waited_for_without_end() {
    let Some(stores) = Stores::postgresql().await else {
        return;
    };
    let store = stores.open(&keyring()).await;
    store.create(&webhook("acme")).await.unwrap();
    let stores = Arc::new(stores);
    let lock = tokio::spawn({
        let stores = Arc::clone(&stores);
        async move {
            let hold = "BEGIN; LOCK TABLE change_counter; SELECT pg_sleep(20); COMMIT";
            stores.execute(hold).await;
        }
    });
    let held = "SELECT mode FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted \
         AND relation = 'change_counter'::REGCLASS";
    while stores.texts(held).await.is_empty() {}
    let begun = Instant::now();
    let refused = store.create(&webhook("other")).await.unwrap_err();
    assert!(refused.to_string().contains("not available"), "{refused}");
    assert!(begun.elapsed() < LIMIT, "{:?}", begun.elapsed());
    lock.abort();
}
