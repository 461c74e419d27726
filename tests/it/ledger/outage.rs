//! PostgreSQL goes away in the middle.

use std::time::{Duration, Instant};

use bitrix24_openlines::testing::dispatch::ledger::{LedgerError, Recorded};
use bitrix24_openlines::testing::dispatch::replica::HeartbeatConfig;
use store::{Access, Store, StoreUrl};

use super::support::{DAY, Process, answer, assert_answered, assert_unknown, new_key};
use crate::support::proxy::{Mode, Proxy};
use crate::support::stores::{Stores, keyring};

/// A replica behind a proxy, and another one that is not.
async fn behind_a_proxy() -> Option<(Stores, Proxy, Process, Process)> {
    let stores = Stores::postgresql().await?;
    let keyring = keyring();
    let (proxy, url) = Proxy::before(stores.url()).await;
    let url = StoreUrl::parse(&url).unwrap();
    let store = Store::open(&url, keyring.clone(), Access::Service).await;
    // However long it takes on a busy machine, the other one does not take the first for dead.
    let patient = HeartbeatConfig {
        timeout: Duration::from_hours(1),
        ..HeartbeatConfig::default()
    };
    let process = Process::with(&store.unwrap(), patient, DAY);
    let other = Process::with(&stores.open(&keyring).await, patient, DAY);
    Some((stores, proxy, process, other))
}

async fn what_became_of_calls_is_recorded_as_soon_as_the_database_is_back(mode: Mode) {
    let Some((_stores, proxy, process, other)) = behind_a_proxy().await else {
        return;
    };
    let (answered, unknown, not_executed, queued) = (new_key(), new_key(), new_key(), new_key());
    let first = process.send(&answered).await;
    let second = process.send(&unknown).await;
    let third = process.send(&not_executed).await;
    let waiting = process.claim(&queued).await;

    proxy.set(mode);
    let begun = Instant::now();
    let ended = vec![
        (first, Recorded::Answered(answer(1))),
        (second, Recorded::Unknown),
        (third, Recorded::NotExecuted),
    ];
    process.ledger.end(ended).await.unwrap();
    // Their callers were not kept waiting, and whoever repeats them here is told.
    assert!(begun.elapsed() < Duration::from_secs(5), "{begun:?}");
    assert_answered(process.enter(&answered).await, &answer(1));
    assert_unknown(process.enter(&unknown).await);
    // What is not in the ledger is not sent.
    process.ledger.start(&[&waiting]).await.unwrap_err();
    let entered = process
        .enter_within(&new_key(), Duration::from_secs(3))
        .await;
    let is_unavailable = matches!(entered, Err(LedgerError::Unavailable(_)));
    assert!(is_unavailable, "{entered:?}");
    drop(waiting);

    proxy.set(Mode::Open);
    assert_answered(other.enter(&answered).await, &answer(1));
    assert_unknown(other.enter(&unknown).await);
    for key in [&not_executed, &queued] {
        let claim = other.send(key).await;
        other.end(claim, Recorded::Answered(answer(2))).await;
        assert_answered(process.enter(key).await, &answer(2));
    }
    process.stop().await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_became_of_calls_is_recorded_after_the_connections_were_cut() {
    what_became_of_calls_is_recorded_as_soon_as_the_database_is_back(Mode::Cut).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_became_of_calls_is_recorded_after_the_database_was_silent() {
    what_became_of_calls_is_recorded_as_soon_as_the_database_is_back(Mode::Silent).await;
}
