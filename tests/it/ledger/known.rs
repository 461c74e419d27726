//! What the ledger says of a call without entering it.

use std::time::Duration;

use bitrix24_openlines::testing::dispatch::ledger::{Key, Known, LedgerError, Recorded};
use store::Store;
use store::ledger::Id;
use tokio::time::Instant;
use uuid::Uuid;

use super::support::{DAY, HASTY, LONG, Process, answer, key_of, new_key};
use crate::support::calls::start;
use crate::support::stores::{Stores, keyring, on_both_stores};

on_both_stores!(
    a_call_is_known_from_its_claim_to_its_outcome,
    looking_makes_no_claim_and_marks_nothing,
    another_request_with_the_key_is_told_if_the_request_is_given,
    what_a_dead_process_has_left_is_unknown,
);

async fn known(process: &Process, key: &Key) -> Known {
    known_by(process, key, false).await.unwrap()
}

/// By its request too, or by its key alone.
async fn known_by(process: &Process, key: &Key, by_request: bool) -> Result<Known, LedgerError> {
    let fingerprint = by_request.then_some(key.fingerprint);
    let deadline = Instant::now() + LONG;
    let ledger = &process.ledger;
    ledger.known(&id_of(key), fingerprint, deadline).await
}

fn id_of(key: &Key) -> Id {
    Id {
        tenant: key.tenant.clone(),
        request: key.idempotency_key,
    }
}

async fn a_call_is_known_from_its_claim_to_its_outcome(stores: Stores) {
    let process = Process::start(&stores.open(&keyring()).await);
    for (recorded, expected) in [
        (Recorded::Answered(answer(7)), Known::Answered(answer(7))),
        (Recorded::Unknown, Known::Unknown),
        (Recorded::NotExecuted, Known::Nothing),
    ] {
        let key = new_key();
        assert_eq!(known(&process, &key).await, Known::Nothing);
        let claim = process.claim(&key).await;
        assert_eq!(known(&process, &key).await, Known::Running);
        process.ledger.start(&[&claim]).await.unwrap();
        claim.note_may_be_sent();
        assert_eq!(known(&process, &key).await, Known::Running);
        process.end(claim, recorded).await;
        // Whether it is asked in memory or in the store.
        for _ in 0..3 {
            assert_eq!(known(&process, &key).await, expected);
        }
    }
    process.stop().await;
}

async fn looking_makes_no_claim_and_marks_nothing(stores: Stores) {
    let process = Process::start(&stores.open(&keyring()).await);
    let key = new_key();
    for by_request in [false, true] {
        let known = known_by(&process, &key, by_request).await.unwrap();
        assert_eq!(known, Known::Nothing);
    }
    let rows = stores.texts("SELECT request_id FROM ledger").await;
    assert!(rows.is_empty(), "{rows:?}");
    // Entering does not wait for it.
    drop(process.claim(&key).await);
    process.stop().await;
}

async fn another_request_with_the_key_is_told_if_the_request_is_given(stores: Stores) {
    let process = Process::start(&stores.open(&keyring()).await);
    let key = new_key();
    let other = key_of(key.idempotency_key, "another");
    let claim = process.send(&key).await;
    assert_reused(known_by(&process, &other, true).await);
    assert_eq!(known(&process, &other).await, Known::Running);
    process.end(claim, Recorded::Answered(answer(7))).await;
    assert_reused(known_by(&process, &other, true).await);
    let answered = Known::Answered(answer(7));
    assert_eq!(known(&process, &other).await, answered);
    assert_eq!(known_by(&process, &key, true).await.unwrap(), answered);
    process.stop().await;
}

#[track_caller]
fn assert_reused(known: Result<Known, LedgerError>) {
    assert!(matches!(known, Err(LedgerError::Reused)), "{known:?}");
}

/// The row of a process that has no heartbeats.
async fn left_by_another(store: &Store, key: &Key) {
    let start = start(&id_of(key), 1);
    let written = store.write_ledger(Uuid::new_v4(), DAY, vec![start], &[]);
    assert_eq!(written.await.unwrap().len(), 1);
}

async fn what_a_dead_process_has_left_is_unknown(stores: Stores) {
    let store = stores.open(&keyring()).await;
    let process = Process::with(&store, HASTY, DAY);
    let key = new_key();
    left_by_another(&store, &key).await;
    if store.is_shared() {
        // It may live.
        assert_eq!(known(&process, &key).await, Known::Running);
    }
    let patience = Instant::now() + LONG;
    while known(&process, &key).await != Known::Unknown {
        assert!(Instant::now() < patience, "it is not taken for dead");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Looking has not marked it.
    let states = stores.texts("SELECT state FROM ledger").await;
    assert_eq!(states, ["started"]);
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_of_another_replica_is_known() {
    let Some(stores) = Stores::postgresql().await else {
        return;
    };
    let keyring = keyring();
    let one = Process::start(&stores.open(&keyring).await);
    let other = Process::start(&stores.open(&keyring).await);
    let key = new_key();
    let claim = one.claim(&key).await;
    // In the queue of the other one, and nowhere else.
    assert_eq!(known(&other, &key).await, Known::Nothing);
    one.ledger.start(&[&claim]).await.unwrap();
    claim.note_may_be_sent();
    assert_eq!(known(&other, &key).await, Known::Running);
    one.end(claim, Recorded::Answered(answer(7))).await;
    assert_eq!(known(&other, &key).await, Known::Answered(answer(7)));
    one.stop().await;
    other.stop().await;
}
