//! A process dies, and another one comes.

use bitrix24_openlines::testing::dispatch::ledger::{Entered, Recorded};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};
use tokio::runtime::Runtime;
use tokio::time::Instant;

use super::support::{
    DAY, HASTY, LONG, Process, SHORT, answer, assert_answered, assert_still_running,
    assert_unknown, first, new_key,
};
use crate::support::stores::{Stores, keyring, on_both_stores};

on_both_stores!(
    what_a_dead_process_was_sending_is_unknown_and_all_else_is_as_it_was,
    what_a_stopped_process_has_recorded_is_there_after_a_restart,
);

async fn what_a_dead_process_was_sending_is_unknown_and_all_else_is_as_it_was(stores: Stores) {
    let keyring = keyring();
    let (sending, queued, answered, refused) = (new_key(), new_key(), new_key(), new_key());
    let keys = (
        sending.clone(),
        queued.clone(),
        answered.clone(),
        refused.clone(),
    );
    // It lives in a runtime of its own, which ends without asking anybody.
    let runtime = Runtime::new().unwrap();
    let store = stores.open(&keyring).await;
    let living = runtime.spawn(async move {
        let (sending, queued, answered, refused) = keys;
        let process = Process::with(&store, HASTY, DAY);
        let claim = process.send(&answered).await;
        process.end(claim, Recorded::Answered(answer(5))).await;
        let claim = process.send(&refused).await;
        process.end(claim, Recorded::NotExecuted).await;
        std::mem::forget(process.claim(&queued).await);
        std::mem::forget(process.send(&sending).await);
    });
    living.await.unwrap();
    runtime.shutdown_background();

    let store = stores.open(&keyring).await;
    let process = Process::with(&store, HASTY, DAY);
    assert_answered(process.enter(&answered).await, &answer(5));
    drop(first(process.enter(&queued).await));
    drop(first(process.enter(&refused).await));
    for _ in 0..2 {
        assert_unknown(process.enter(&sending).await);
    }
    process.stop().await;
}

/// In SQLite a second writer waits, and readers do not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeat_waits_for_a_locked_row_of_a_dead_process_no_longer_than_its_deadline() {
    let stores = Stores::sqlite();
    let (keyring, key) = (keyring(), new_key());
    let runtime = Runtime::new().unwrap();
    let (store, sending) = (stores.open(&keyring).await, key.clone());
    let living = runtime.spawn(async move {
        let process = Process::with(&store, HASTY, DAY);
        std::mem::forget(process.send(&sending).await);
    });
    living.await.unwrap();
    runtime.shutdown_background();

    let process = Process::with(&stores.open(&keyring).await, HASTY, DAY);
    let file = SqliteConnectOptions::new().filename(stores.file().unwrap());
    let mut writer = file.connect().await.unwrap();
    let lock = writer.begin_with("BEGIN IMMEDIATE").await.unwrap();
    assert_still_running(process.enter_within(&key, SHORT).await);
    drop(lock);
    assert_unknown(process.enter(&key).await);
    process.stop().await;
}

async fn what_a_stopped_process_has_recorded_is_there_after_a_restart(stores: Stores) {
    let keyring = keyring();
    let store = stores.open(&keyring).await;
    let process = Process::start(&store);
    let key = new_key();
    let claim = process.send(&key).await;
    // The last call ends after the stop has begun.
    let ledger = process.ledger.clone();
    let stop = tokio::spawn(process.stop());
    tokio::time::sleep(SHORT).await;
    assert!(!stop.is_finished());
    drop(ledger.end(vec![(claim, Recorded::Answered(answer(6)))]));
    stop.await.unwrap();
    let deadline = Instant::now() + LONG;
    let Ok(Entered::First(late)) = ledger.enter(new_key(), deadline, || {}).await else {
        panic!("nobody knows it")
    };
    // Nobody writes it any more, so it may not be sent.
    ledger.start(&[&late]).await.unwrap_err();
    drop((ledger, late, store));

    let process = Process::start(&stores.open(&keyring).await);
    assert_answered(process.enter(&key).await, &answer(6));
    process.stop().await;
}
