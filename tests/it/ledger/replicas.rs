//! Several replicas that get the same call.

use std::time::Duration;

use bitrix24_openlines::testing::dispatch::ledger::{Recorded, Started};
use futures_util::future::join_all;

use super::support::{
    DAY, HASTY, LONG, Process, SHORT, answer, assert_answered, assert_reused, assert_still_running,
    assert_unknown, key_of, new_key,
};
use crate::support::stores::{Stores, keyring};

/// Two replicas.
async fn replicas() -> Option<(Stores, Process, Process)> {
    let stores = Stores::postgresql().await?;
    let keyring = keyring();
    let one = Process::start(&stores.open(&keyring).await);
    let other = Process::start(&stores.open(&keyring).await);
    Some((stores, one, other))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_another_replica_is_sending_is_waited_for() {
    let Some((_stores, one, other)) = replicas().await else {
        return;
    };
    let key = new_key();
    let claim = one.send(&key).await;
    assert_reused(other.enter(&key_of(key.idempotency_key, "another")).await);
    other.assert_waits(&key).await;
    let waiting = join_all((0..5).map(|_| other.enter(&key)));
    let ending = async {
        tokio::time::sleep(SHORT).await;
        one.end(claim, Recorded::Answered(answer(4))).await;
    };
    let (entered, ()) = tokio::join!(waiting, ending);
    for entered in entered {
        assert_answered(entered, &answer(4));
    }
    one.stop().await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_another_replica_did_not_get_executed_is_taken_over() {
    let Some((_stores, one, other)) = replicas().await else {
        return;
    };
    let key = new_key();
    let claim = one.send(&key).await;
    let ending = async {
        tokio::time::sleep(SHORT).await;
        one.end(claim, Recorded::NotExecuted).await;
    };
    let (claim, ()) = tokio::join!(other.send(&key), ending);
    other.end(claim, Recorded::Unknown).await;
    assert_unknown(one.enter(&key).await);
    one.stop().await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_replicas_that_begin_at_the_same_time_one_sends() {
    let Some((_stores, one, other)) = replicas().await else {
        return;
    };
    for _ in 0..20 {
        let keys: Vec<_> = (0..10).map(|_| new_key()).collect();
        let of_one = join_all(keys.iter().map(|key| one.claim(key))).await;
        let of_other = join_all(keys.iter().rev().map(|key| other.claim(key))).await;
        let (of_one_, of_other_): (Vec<_>, Vec<_>) =
            (of_one.iter().collect(), of_other.iter().rev().collect());
        let (started, also) =
            tokio::join!(one.ledger.start(&of_one_), other.ledger.start(&of_other_));
        for (started, also) in started.unwrap().into_iter().zip(also.unwrap()) {
            let sending = [started, also].into_iter();
            let sending = sending.filter(|started| *started == Started::Go).count();
            assert_eq!(sending, 1);
        }
    }
    one.stop().await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_replica_says_that_was_taken_for_dead_counts_all_the_same() {
    let Some(stores) = Stores::postgresql().await else {
        return;
    };
    let keyring = keyring();
    // Its heartbeats are too rare for the other replica's timeout.
    let silent = Process::with(
        &stores.open(&keyring).await,
        bitrix24_openlines::testing::dispatch::replica::HeartbeatConfig {
            interval: Duration::from_secs(3_600),
            ..HASTY
        },
        DAY,
    );
    let hasty = Process::with(&stores.open(&keyring).await, HASTY, DAY);
    let (answered, repeated, not_executed) = (new_key(), new_key(), new_key());
    let mut claims = Vec::new();
    for key in [&answered, &repeated, &not_executed] {
        claims.push(silent.send(key).await);
    }
    for key in [&answered, &repeated, &not_executed] {
        assert_unknown(hasty.enter(key).await);
    }
    // A repeat of what was not executed is still its own.
    let [first, second, third] = claims.try_into().unwrap();
    let started = silent.ledger.start(&[&second]).await.unwrap();
    assert_eq!(started, [Started::Go]);
    assert_still_running(hasty.enter_within(&repeated, SHORT).await);
    let ended = vec![
        (first, Recorded::Answered(answer(1))),
        (second, Recorded::Answered(answer(2))),
        (third, Recorded::NotExecuted),
    ];
    silent.ledger.end(ended).await.unwrap();
    assert_answered(hasty.enter(&answered).await, &answer(1));
    assert_answered(hasty.enter_within(&repeated, LONG).await, &answer(2));
    drop(hasty.claim(&not_executed).await);
    silent.stop().await;
    hasty.stop().await;
}
