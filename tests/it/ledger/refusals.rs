//! The database refuses one row.

use std::time::Instant;

use bitrix24_openlines::testing::dispatch::ledger::Recorded;
use futures_util::future::join_all;

use super::support::{LONG, Process, answer, assert_answered, new_key};
use crate::support::stores::{Stores, keyring, on_both_stores};

on_both_stores!(an_end_that_the_database_refuses_holds_no_other_up);

async fn an_end_that_the_database_refuses_holds_no_other_up(stores: Stores) {
    let process = Process::start(&stores.open(&keyring()).await);
    let keys: Vec<_> = (0..20).map(|_| new_key()).collect();
    let claims = join_all(keys.iter().map(|key| process.send(key))).await;
    let refused = keys[7].idempotency_key;
    let (refuse, allow) = if stores.is_shared() {
        (
            format!(
                "ALTER TABLE ledger ADD CONSTRAINT refusal \
                 CHECK (state <> 'answered' OR request_id <> '{refused}')"
            ),
            "ALTER TABLE ledger DROP CONSTRAINT refusal",
        )
    } else {
        (
            format!(
                "CREATE TRIGGER refusal BEFORE INSERT ON ledger_ends \
                 WHEN NEW.id = (SELECT id FROM ledger_starts WHERE request = x'{}') \
                 BEGIN SELECT RAISE(ABORT, 'refused'); END",
                refused.simple()
            ),
            "DROP TRIGGER refusal",
        )
    };
    stores.execute(&refuse).await;
    let ended = claims
        .into_iter()
        .map(|claim| (claim, Recorded::Answered(answer(1))));
    process.ledger.end(ended.collect()).await.unwrap();
    recorded(&stores, 19).await;
    // Its own callers are told from memory, and other calls are sent as ever.
    assert_answered(process.enter(&keys[7]).await, &answer(1));
    let claim = process.send(&new_key()).await;
    process.end(claim, Recorded::Answered(answer(2))).await;
    recorded(&stores, 20).await;
    stores.execute(allow).await;
    recorded(&stores, 21).await;
    process.stop().await;
}

/// Waits until this many calls are answered in the store.
async fn recorded(stores: &Stores, count: usize) {
    let begun = Instant::now();
    let answered = "SELECT request_id FROM ledger WHERE state = 'answered'";
    while stores.texts(answered).await.len() != count {
        assert!(begun.elapsed() < LONG);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}
