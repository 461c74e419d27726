//! The database crashes, and has lost outcomes that it had confirmed.

use bitrix24_openlines::testing::dispatch::ledger::{Key, Recorded};

use super::support::{Process, answer, assert_answered, assert_unknown, new_key};
use crate::support::stores::{Stores, keyring, on_both_stores};

on_both_stores!(
    a_call_whose_outcome_was_lost_is_unknown_to_the_process_that_sent_it,
    a_call_whose_refusal_was_lost_may_still_be_sent_by_the_process_that_got_it,
);

/// The row before its outcome, which a crash brings back.
struct Before(String);

impl Before {
    async fn of(stores: &Stores, key: &Key) -> Self {
        let request = key.idempotency_key;
        let table = format!("before_{}", request.simple());
        if stores.is_shared() {
            let kept = format!(
                "CREATE TABLE {table} AS SELECT * FROM ledger WHERE request_id = '{request}'"
            );
            stores.execute(&kept).await;
        }
        Self(table)
    }

    async fn restore(self, stores: &Stores, key: &Key) {
        let request = key.idempotency_key;
        if !stores.is_shared() {
            let lost = format!(
                "DELETE FROM ledger_ends WHERE id = \
                 (SELECT id FROM ledger_starts WHERE request = x'{}')",
                request.simple()
            );
            assert_eq!(stores.execute(&lost).await, 1);
            return;
        }
        // The process may have deleted it already, if the call was refused.
        let left = format!("DELETE FROM ledger WHERE request_id = '{request}'");
        stores.execute(&left).await;
        let restored = format!("INSERT INTO ledger SELECT * FROM {}", self.0);
        assert_eq!(stores.execute(&restored).await, 1);
    }
}

async fn a_call_whose_outcome_was_lost_is_unknown_to_the_process_that_sent_it(stores: Stores) {
    let process = Process::start(&stores.open(&keyring()).await);
    for recorded in [Recorded::Answered(answer(7)), Recorded::Unknown] {
        let key = new_key();
        let claim = process.send(&key).await;
        let before = Before::of(&stores, &key).await;
        process.end(claim, recorded).await;
        before.restore(&stores, &key).await;
        for _ in 0..2 {
            assert_unknown(process.enter(&key).await);
        }
    }
    process.stop().await;
    let states = stores.texts("SELECT state FROM ledger").await;
    assert_eq!(states, ["unknown", "unknown"]);
}

async fn a_call_whose_refusal_was_lost_may_still_be_sent_by_the_process_that_got_it(
    stores: Stores,
) {
    let process = Process::start(&stores.open(&keyring()).await);
    let key = new_key();
    let claim = process.send(&key).await;
    let before = Before::of(&stores, &key).await;
    process.end(claim, Recorded::NotExecuted).await;
    before.restore(&stores, &key).await;
    let claim = process.send(&key).await;
    process.end(claim, Recorded::Answered(answer(8))).await;
    assert_answered(process.enter(&key).await, &answer(8));
    process.stop().await;
}
