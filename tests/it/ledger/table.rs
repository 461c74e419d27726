//! The table itself.

use std::time::Duration;

use bitrix24_openlines::testing::dispatch::ledger::Recorded;
use bitrix24_openlines::testing::dispatch::replica::HeartbeatConfig;
use sqlx::{Connection, Executor, PgConnection};
use store::ledger::{End, Id, Outcome, Row, Start, State};
use uuid::Uuid;

use super::support::{DAY, LONG, Process, answer, assert_answered, new_key};
use crate::support::calls::{end, new_id, start};
use crate::support::stores::{Stores, keyring, on_both_stores, webhook};

on_both_stores!(
    what_has_expired_counts_as_deleted_and_is_deleted,
    a_process_deletes_what_has_expired,
    what_comes_late_from_an_earlier_attempt_changes_nothing,
    hundreds_of_rows_are_written_at_once,
    the_ledger_takes_no_number_of_changes_and_no_secret,
);

async fn what_has_expired_counts_as_deleted_and_is_deleted(stores: Stores) {
    let store = stores.open(&keyring()).await;
    let (one, other) = (Uuid::new_v4(), Uuid::new_v4());
    let short = Duration::from_millis(500);
    let (expiring, staying) = (new_id(), new_id());
    let answered = end(&expiring, 1, Outcome::Answered("{}".to_owned()));
    let starts = vec![start(&expiring, 1)];
    store
        .write_ledger(one, short, starts, &[&answered])
        .await
        .unwrap();
    let starts = vec![start(&staying, 2)];
    store.write_ledger(one, DAY, starts, &[]).await.unwrap();
    tokio::time::sleep(short * 2).await;
    assert_eq!(store.ledger_row(&expiring).await.unwrap(), None);
    assert!(store.ledger_row(&staying).await.unwrap().is_some());
    // Somebody else may use the key before it is cleaned away, and then it is not.
    let starts = vec![start(&expiring, 0), start(&staying, 0)];
    let started = store.write_ledger(other, DAY, starts, &[]).await.unwrap();
    assert_eq!(started.len(), 1);
    let row = store.ledger_row(&expiring).await.unwrap().unwrap();
    assert!(matches!(row.state, State::Started { owner, .. } if owner == other));
    assert_eq!(store.clean_ledger(10).await.unwrap(), 0);
    let starts = vec![start(&new_id(), 3)];
    store.write_ledger(one, short, starts, &[]).await.unwrap();
    tokio::time::sleep(short * 2).await;
    assert_eq!(store.clean_ledger(10).await.unwrap(), 1);
    let mut left = stores.texts("SELECT request_id FROM ledger").await;
    let mut expected = [&expiring, &staying].map(|id| id.request.to_string());
    left.sort_unstable();
    expected.sort_unstable();
    assert_eq!(left, expected);
}

async fn a_process_deletes_what_has_expired(stores: Stores) {
    let store = stores.open(&keyring()).await;
    let ended: Vec<Id> = (0..1_300).map(|_| new_id()).collect();
    let starts = ended.iter().map(|id| start(id, 1)).collect();
    let owner = Uuid::new_v4();
    store
        .write_ledger(owner, Duration::ZERO, starts, &[])
        .await
        .unwrap();
    let process = Process::start(&store);
    let begun = std::time::Instant::now();
    while !stores
        .texts("SELECT request_id FROM ledger")
        .await
        .is_empty()
    {
        assert!(begun.elapsed() < LONG);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    process.stop().await;
}

async fn what_comes_late_from_an_earlier_attempt_changes_nothing(stores: Stores) {
    let store = stores.open(&keyring()).await;
    let owner = Uuid::new_v4();
    let id = new_id();
    let write = async |starts: Vec<Start>, ends: &[&End]| {
        store.write_ledger(owner, DAY, starts, ends).await.unwrap()
    };
    let state = async || store.ledger_row(&id).await.unwrap().map(|row| row.state);
    let replacing = |attempt, replaces| Start {
        replaces: Some(replaces),
        ..start(&id, attempt)
    };
    assert!(write(vec![start(&id, 1)], &[]).await.contains(&1));
    // The first one may have been sent.
    assert!(write(vec![start(&id, 2)], &[]).await.is_empty());
    assert!(write(vec![replacing(2, 0)], &[]).await.is_empty());
    assert!(write(vec![replacing(2, 1)], &[]).await.contains(&2));
    assert!(write(vec![start(&id, 1)], &[]).await.is_empty());
    write(Vec::new(), &[&end(&id, 1, Outcome::NotExecuted)]).await;
    assert!(matches!(state().await, Some(State::Started { .. })));
    // All in one statement: only the latest counts.
    let starts = vec![replacing(3, 2), replacing(5, 2), replacing(4, 3)];
    let started = write(starts, &[]).await;
    assert_eq!(started.into_iter().collect::<Vec<_>>(), [5]);
    let answered = Outcome::Answered("1".to_owned());
    for _ in 0..2 {
        write(Vec::new(), &[&end(&id, 5, answered.clone())]).await;
        assert_eq!(state().await, Some(State::Answered("1".to_owned())));
    }
    assert!(write(vec![replacing(6, 5)], &[]).await.is_empty());
    write(Vec::new(), &[&end(&id, 5, Outcome::NotExecuted)]).await;
    assert_eq!(state().await, None);
}

async fn hundreds_of_rows_are_written_at_once(stores: Stores) {
    let store = stores.open(&keyring()).await;
    let owner = Uuid::new_v4();
    for count in [1, 2, 4, 5, 63, 64, 65, 255, 256, 257, 600_usize] {
        let ids: Vec<Id> = (0..count).map(|_| new_id()).collect();
        let starts: Vec<Start> = (1..)
            .zip(&ids)
            .map(|(number, id)| start(id, number))
            .collect();
        let started = store
            .write_ledger(owner, DAY, starts.clone(), &[])
            .await
            .unwrap();
        assert_eq!(started.len(), ids.len());
        let outcome = |number: i64| match number % 2 {
            0 => Outcome::Unknown,
            _ => Outcome::Answered(number.to_string()),
        };
        let ends: Vec<End> = (1..)
            .zip(&ids)
            .map(|(number, id)| end(id, number, outcome(number)))
            .collect();
        let ends: Vec<&End> = ends.iter().collect();
        store
            .write_ledger(owner, DAY, Vec::new(), &ends)
            .await
            .unwrap();
        for (number, id) in (1..).zip(&ids).step_by(count.div_ceil(5)) {
            let state = match outcome(number) {
                Outcome::Answered(answer) => State::Answered(answer),
                Outcome::Unknown | Outcome::NotExecuted => State::Unknown,
            };
            let fingerprint = [7; 32];
            let row = store.ledger_row(id).await.unwrap();
            assert_eq!(row, Some(Row { fingerprint, state }));
        }
    }
}

async fn the_ledger_takes_no_number_of_changes_and_no_secret(stores: Stores) {
    let store = stores.open(&keyring()).await;
    store.create(&webhook("acme")).await.unwrap();
    let process = Process::with(&store, HeartbeatConfig::default(), DAY);
    let key = new_key();
    let claim = process.send(&key).await;
    process.end(claim, Recorded::Answered(answer(7))).await;
    assert_answered(process.enter(&key).await, &answer(7));
    process.stop().await;
    assert_eq!(store.last_change().await.unwrap(), 1);
    // Of what was asked for there is a fingerprint only.
    let kept = stores
        .texts(
            "SELECT tenant_id || request_id || state || owner || COALESCE(answer, '') FROM ledger",
        )
        .await;
    assert_eq!(kept.len(), 1);
    assert!(!kept[0].contains("hello") && !kept[0].contains("s3cr3tcanary"));
}

/// A row that somebody starts anew while expired rows are deleted is not expired any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_starts_anew_during_the_deletion_keeps_its_row() {
    let Some(stores) = Stores::postgresql().await else {
        return;
    };
    let (store, key) = (stores.open(&keyring()).await, new_id());
    let (owner, starts) = (Uuid::new_v4(), vec![start(&key, 1)]);
    store
        .write_ledger(owner, Duration::ZERO, starts, &[])
        .await
        .unwrap();
    let mut starting = PgConnection::connect(stores.url()).await.unwrap();
    starting
        .execute("BEGIN; UPDATE ledger SET attempt = 2, expires_at = 9000000000000")
        .await
        .unwrap();
    let deleting = tokio::spawn({
        let store = store.clone();
        async move { store.clean_ledger(10).await.unwrap() }
    });
    let waiting = "SELECT pid::text FROM pg_stat_activity WHERE datname = current_database() \
         AND wait_event_type = 'Lock' AND query LIKE 'DELETE FROM ledger%'";
    while stores.texts(waiting).await.is_empty() {
        assert!(!deleting.is_finished(), "it does not wait for the row");
    }
    starting.execute("COMMIT").await.unwrap();
    assert_eq!(deleting.await.unwrap(), 0);
    assert!(store.ledger_row(&key).await.unwrap().is_some());
}

/// What is asked for at the same time shares a statement.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_cannot_be_read_hides_no_other_one() {
    let Some(stores) = Stores::postgresql().await else {
        return;
    };
    let store = stores.open(&keyring()).await;
    let (corrupt, sound, missing) = (new_id(), new_id(), new_id());
    let starts = vec![start(&corrupt, 1), start(&sound, 2)];
    let started = store.write_ledger(Uuid::new_v4(), DAY, starts, &[]).await;
    started.unwrap();
    let request = corrupt.request;
    let damage = format!("UPDATE ledger SET owner = 'nobody' WHERE request_id = '{request}'");
    stores.execute(&damage).await;
    let rows = store.ledger_rows(&[corrupt, sound, missing]).await.unwrap();
    assert!(rows[0].is_err());
    assert!(matches!(rows[1], Ok(Some(_))));
    assert!(matches!(rows[2], Ok(None)));
}
