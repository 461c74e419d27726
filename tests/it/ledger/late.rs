//! A start that the database executes after this process has given it up.

use std::time::Duration;

use bitrix24_openlines::testing::dispatch::ledger::{Key, Recorded};
use bitrix24_openlines::testing::dispatch::replica::HeartbeatConfig;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use store::{Access, Store, StoreUrl};
use tokio::time::Instant;

use super::support::{DAY, LONG, Process, answer, assert_answered, new_key};
use crate::support::proxy::{Mode, Proxy};
use crate::support::stores::{Stores, keyring};

/// Waits until a query has so many rows.
async fn until(stores: &Stores, query: &str, rows: usize) {
    let patience = Instant::now() + LONG;
    while stores.texts(query).await.len() != rows {
        assert!(Instant::now() < patience, "waited in vain: {query}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Starts of the ledger that the server has.
const WAITING: &str = "SELECT pid::text FROM pg_stat_activity WHERE datname = current_database() \
     AND state = 'active' AND query LIKE 'INSERT INTO ledger%'";

/// Has the start of two calls fail here, and the server execute it after their ends. False if
/// the server gave it up, as it does after five seconds behind a lock.
async fn start_late(process: &Process, keys: [&Key; 2], stores: &Stores, proxy: &Proxy) -> bool {
    let claims = [process.claim(keys[0]).await, process.claim(keys[1]).await];
    // Somebody is about to write one of the two rows.
    let mut session = PgConnection::connect(stores.url()).await.unwrap();
    let row = format!(
        "BEGIN; INSERT INTO ledger VALUES ('acme', '{}', '\\x00', 'unknown', NULL, 'x', 1, 1, 0)",
        keys[0].idempotency_key
    );
    let insert = sqlx::raw_sql(AssertSqlSafe(row)).execute(&mut session);
    insert.await.unwrap();
    let both = [&claims[0], &claims[1]];
    let start = process.ledger.start(&both);
    let cut = async {
        let behind_a_lock = format!("{WAITING} AND wait_event_type = 'Lock'");
        until(stores, &behind_a_lock, 1).await;
        proxy.set(Mode::Cut);
    };
    let (started, ()) = tokio::join!(start, cut);
    started.unwrap_err();
    proxy.set(Mode::Open);
    drop(claims);
    // The end of the attempts is written and finds no rows.
    let ended = "SELECT pid::text FROM pg_stat_activity WHERE datname = current_database() \
         AND state = 'idle' AND query LIKE 'UPDATE ledger SET state = ended%'";
    until(stores, ended, 1).await;
    session.execute("ROLLBACK").await.unwrap();
    until(stores, WAITING, 0).await;
    let rows = "SELECT state FROM ledger WHERE expires_at > 0";
    stores.texts(rows).await.len() == 2
}

/// Nothing is sent twice, and neither this process nor another one waits for what was not sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_is_executed_late_sends_nothing_twice_and_blocks_no_repeat() {
    for _ in 0..5 {
        let Some(stores) = Stores::postgresql().await else {
            return;
        };
        let (proxy, url) = Proxy::before(stores.url()).await;
        let url = StoreUrl::parse(&url).unwrap();
        let patient = HeartbeatConfig {
            timeout: Duration::from_hours(1),
            ..HeartbeatConfig::default()
        };
        let store = Store::open(&url, keyring(), Access::Service).await.unwrap();
        let process = Process::with(&store, patient, DAY);
        let other = Process::with(&stores.open(&keyring()).await, patient, DAY);
        let (here, there) = (new_key(), new_key());
        if start_late(&process, [&here, &there], &stores, &proxy).await {
            assert_neither_blocks_nor_doubles(process, other, &here, &there).await;
            return;
        }
    }
    panic!("the server never executed the start");
}

async fn assert_neither_blocks_nor_doubles(
    process: Process,
    other: Process,
    here: &Key,
    there: &Key,
) {
    // This process knows that it has sent nothing.
    let claim = process.send(here).await;
    process.end(claim, Recorded::Answered(answer(1))).await;
    assert_answered(other.enter(here).await, &answer(1));
    // The other one learns it.
    let claim = other.send(there).await;
    other.end(claim, Recorded::Answered(answer(2))).await;
    assert_answered(process.enter(there).await, &answer(2));
    assert_answered(process.enter(here).await, &answer(1));
    process.stop().await;
    other.stop().await;
}
