//! One process: a call that is repeated.

use bitrix24_openlines::testing::dispatch::ledger::{Entered, Recorded, Started};
use futures_util::FutureExt;
use futures_util::future::join_all;
use uuid::Uuid;

use super::support::{
    LONG, Process, SHORT, answer, assert_answered, assert_reused, assert_still_running,
    assert_unknown, first, key_of, new_key,
};
use crate::support::stores::{Stores, id, keyring, on_both_stores};

on_both_stores!(
    a_repeated_call_gets_the_answer_of_the_first,
    an_unknown_outcome_stays_unknown,
    what_was_not_executed_may_be_tried_anew,
    a_call_is_sent_again_under_its_own_row,
    another_request_with_the_same_key_is_refused,
    the_same_key_of_another_tenant_is_another_call,
    whoever_repeats_a_running_call_gets_its_answer,
    whoever_repeats_a_running_call_waits_no_longer_than_its_deadline,
    of_many_who_repeat_a_call_that_was_not_sent_one_sends_it,
    a_claim_that_is_lost_on_its_way_to_the_portal_is_unknown,
    a_claim_that_is_lost_before_leaves_nothing,
    a_claim_that_was_written_down_and_not_sent_leaves_nothing,
    a_batch_of_calls_is_started_and_ended_at_once,
    two_hundred_calls_at_once_are_each_recorded,
);

async fn a_repeated_call_gets_the_answer_of_the_first(stores: Stores) {
    let process = Process::start(&stores.open(&keyring()).await);
    let key = new_key();
    let claim = process.send(&key).await;
    process.end(claim, Recorded::Answered(answer(7))).await;
    for _ in 0..3 {
        assert_answered(process.enter(&key).await, &answer(7));
    }
    process.stop().await;
}

async fn an_unknown_outcome_stays_unknown(stores: Stores) {
    let process = Process::start(&stores.open(&keyring()).await);
    let key = new_key();
    let claim = process.send(&key).await;
    process.end(claim, Recorded::Unknown).await;
    for _ in 0..3 {
        assert_unknown(process.enter(&key).await);
    }
    process.stop().await;
}

async fn what_was_not_executed_may_be_tried_anew(stores: Stores) {
    let process = Process::start(&stores.open(&keyring()).await);
    let key = new_key();
    let claim = process.send(&key).await;
    process.end(claim, Recorded::NotExecuted).await;
    // Before it was started, too.
    let claim = process.claim(&key).await;
    process.end(claim, Recorded::NotExecuted).await;
    let claim = process.send(&key).await;
    process.end(claim, Recorded::Answered(answer(8))).await;
    assert_answered(process.enter(&key).await, &answer(8));
    process.stop().await;
}

async fn a_call_is_sent_again_under_its_own_row(stores: Stores) {
    let process = Process::start(&stores.open(&keyring()).await);
    let key = new_key();
    let claim = process.send(&key).await;
    for _ in 0..2 {
        let started = process.ledger.start(&[&claim]).await.unwrap();
        assert_eq!(started, [Started::Go]);
    }
    process.end(claim, Recorded::Answered(answer(1))).await;
    assert_answered(process.enter(&key).await, &answer(1));
    process.stop().await;
}

async fn another_request_with_the_same_key_is_refused(stores: Stores) {
    let process = Process::start(&stores.open(&keyring()).await);
    let key = new_key();
    let other = key_of(key.idempotency_key, "another text");
    let claim = process.send(&key).await;
    assert_reused(process.enter(&other).await);
    process.end(claim, Recorded::Unknown).await;
    assert_reused(process.enter(&other).await);
    assert_unknown(process.enter(&key).await);
    process.stop().await;
}

async fn the_same_key_of_another_tenant_is_another_call(stores: Stores) {
    let process = Process::start(&stores.open(&keyring()).await);
    let key = new_key();
    let mut other = key_of(key.idempotency_key, "another text");
    other.tenant = id("other");
    let claim = process.send(&key).await;
    process.end(claim, Recorded::Answered(answer(1))).await;
    let claim = process.send(&other).await;
    process.end(claim, Recorded::Unknown).await;
    assert_answered(process.enter(&key).await, &answer(1));
    assert_unknown(process.enter(&other).await);
    process.stop().await;
}

async fn whoever_repeats_a_running_call_gets_its_answer(stores: Stores) {
    let process = Process::start(&stores.open(&keyring()).await);
    // It waits in the queue at first, so that the store knows nothing of it.
    let key = new_key();
    let claim = process.claim(&key).await;
    let waiting = join_all((0..20).map(|_| process.enter(&key)));
    let running = async {
        tokio::time::sleep(SHORT).await;
        process.ledger.start(&[&claim]).await.unwrap();
        tokio::time::sleep(SHORT).await;
        process.end(claim, Recorded::Answered(answer(9))).await;
    };
    let (entered, ()) = tokio::join!(waiting, running);
    for entered in entered {
        assert_answered(entered, &answer(9));
    }
    process.stop().await;
}

async fn whoever_repeats_a_running_call_waits_no_longer_than_its_deadline(stores: Stores) {
    let process = Process::start(&stores.open(&keyring()).await);
    let key = new_key();
    let claim = process.send(&key).await;
    assert_still_running(process.enter_within(&key, SHORT).await);
    process.end(claim, Recorded::Answered(answer(9))).await;
    assert_answered(process.enter_within(&key, LONG).await, &answer(9));
    process.stop().await;
}

async fn of_many_who_repeat_a_call_that_was_not_sent_one_sends_it(stores: Stores) {
    let process = Process::start(&stores.open(&keyring()).await);
    let key = new_key();
    let claim = process.claim(&key).await;
    let waiting = join_all((0..20).map(async |_| match process.enter(&key).await {
        Ok(Entered::First(claim)) => {
            process.ledger.start(&[&claim]).await.unwrap();
            process.end(claim, Recorded::Answered(answer(3))).await;
            true
        }
        entered => {
            assert_answered(entered, &answer(3));
            false
        }
    }));
    let leaving = async {
        tokio::time::sleep(SHORT).await;
        drop(claim);
    };
    let (sent, ()) = tokio::join!(waiting, leaving);
    assert_eq!(sent.iter().filter(|sent| **sent).count(), 1);
    process.stop().await;
}

async fn a_claim_that_is_lost_on_its_way_to_the_portal_is_unknown(stores: Stores) {
    let process = Process::start(&stores.open(&keyring()).await);
    let key = new_key();
    drop(process.send(&key).await);
    assert_unknown(process.enter(&key).await);
    process.stop().await;
    let found = stores.texts("SELECT state FROM ledger").await;
    assert_eq!(found, ["unknown"]);
}

/// Its caller has left before the request got a permit.
async fn a_claim_that_was_written_down_and_not_sent_leaves_nothing(stores: Stores) {
    let process = Process::start(&stores.open(&keyring()).await);
    let key = new_key();
    for _ in 0..3 {
        let claim = process.claim(&key).await;
        process.ledger.start(&[&claim]).await.unwrap();
        drop(claim);
    }
    let claim = process.send(&key).await;
    process.end(claim, Recorded::Answered(answer(1))).await;
    assert_answered(process.enter(&key).await, &answer(1));
    process.stop().await;
}

async fn a_claim_that_is_lost_before_leaves_nothing(stores: Stores) {
    let process = Process::start(&stores.open(&keyring()).await);
    let key = new_key();
    drop(process.claim(&key).await);
    // While its row is being written.
    let mut pending = 0;
    for _ in 0..20 {
        let claim = process.claim(&key).await;
        // Polled once. If the thread was preempted meanwhile, the row may be written already.
        if process.ledger.start(&[&claim]).now_or_never().is_some() {
            process.end(claim, Recorded::NotExecuted).await;
        } else {
            pending += 1;
        }
    }
    assert!(pending > 0, "every row was written at once");
    drop(process.claim(&key).await);
    process.stop().await;
    let valid = "SELECT state FROM ledger WHERE expires_at > 0";
    assert!(stores.texts(valid).await.is_empty());
}

async fn a_batch_of_calls_is_started_and_ended_at_once(stores: Stores) {
    let process = Process::start(&stores.open(&keyring()).await);
    let keys: Vec<_> = (0..50).map(|_| new_key()).collect();
    let claims = join_all(keys.iter().map(|key| process.claim(key))).await;
    let all: Vec<_> = claims.iter().collect();
    let started = process.ledger.start(&all).await.unwrap();
    assert_eq!(started, vec![Started::Go; 50]);
    let recorded = |number: i64| match number % 3 {
        0 => Recorded::Answered(answer(number)),
        1 => Recorded::Unknown,
        _ => Recorded::NotExecuted,
    };
    let ended = (0..)
        .zip(claims)
        .map(|(number, claim)| (claim, recorded(number)));
    process.ledger.end(ended.collect()).await.unwrap();
    for (number, key) in (0..).zip(&keys) {
        let entered = process.enter(key).await;
        match recorded(number) {
            Recorded::Answered(answer) => assert_answered(entered, &answer),
            Recorded::Unknown => assert_unknown(entered),
            Recorded::NotExecuted => drop(first(entered)),
        }
    }
    process.stop().await;
}

async fn two_hundred_calls_at_once_are_each_recorded(stores: Stores) {
    let process = Process::start(&stores.open(&keyring()).await);
    let calls = (0..200).map(async |number| {
        let key = key_of(Uuid::new_v4(), &format!("text {number}"));
        let claim = process.send(&key).await;
        process.end(claim, Recorded::Answered(answer(number))).await;
        (key, number)
    });
    for (key, number) in join_all(calls).await {
        assert_answered(process.enter(&key).await, &answer(number));
    }
    process.stop().await;
}
