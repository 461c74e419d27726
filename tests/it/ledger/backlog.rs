//! The database takes starts, and no outcomes.

use std::time::{Duration, Instant};

use bitrix24::Answer;
use bitrix24_openlines::testing::dispatch::ledger::{Recorded, Unavailable};
use serde_json::json;

use super::support::{LONG, Process, answer, assert_answered, new_key};
use crate::support::stores::{Stores, keyring, on_both_stores};

on_both_stores!(outcomes_that_cannot_be_written_do_not_fill_the_memory);

/// An eighth of what is kept.
fn large() -> Answer {
    Answer {
        result: json!("a".repeat(8 * 1024 * 1024)),
        ..answer(1)
    }
}

async fn outcomes_that_cannot_be_written_do_not_fill_the_memory(stores: Stores) {
    let process = Process::start(&stores.open(&keyring()).await);
    let (refuse, allow) = if stores.is_shared() {
        (
            "ALTER TABLE ledger ADD CONSTRAINT refusal CHECK (state <> 'answered')",
            "ALTER TABLE ledger DROP CONSTRAINT refusal",
        )
    } else {
        (
            "CREATE TRIGGER refusal BEFORE INSERT ON ledger_ends \
             BEGIN SELECT RAISE(ABORT, 'refused'); END",
            "DROP TRIGGER refusal",
        )
    };
    stores.execute(refuse).await;
    let keys: Vec<_> = (0..8).map(|_| new_key()).collect();
    for key in &keys {
        let claim = process.send(key).await;
        process.end(claim, Recorded::Answered(large())).await;
    }
    // Nothing was written down of those that may not start: they may be repeated.
    let refused = new_key();
    for _ in 0..3 {
        let claim = process.claim(&refused).await;
        let started = process.ledger.start(&[&claim]).await;
        assert!(matches!(started, Err(Unavailable::Full)), "{started:?}");
    }
    let rows = "SELECT request_id FROM ledger";
    assert_eq!(stores.texts(rows).await.len(), keys.len());
    // What is known is told from memory.
    assert_answered(process.enter(&keys[0]).await, &large());

    stores.execute(allow).await;
    let begun = Instant::now();
    let claim = process.claim(&refused).await;
    while process.ledger.start(&[&claim]).await.is_err() {
        assert!(begun.elapsed() < LONG);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    process.end(claim, Recorded::Answered(answer(2))).await;
    let next = process.send(&new_key()).await;
    process.end(next, Recorded::Unknown).await;
    let answered = "SELECT request_id FROM ledger WHERE state = 'answered'";
    while stores.texts(answered).await.len() != keys.len() + 1 {
        assert!(begun.elapsed() < LONG);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    process.stop().await;
}
