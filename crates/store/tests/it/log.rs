//! The ledger's log in an SQLite file: slices, keys, and files of before.

mod damage;

use std::path::Path;
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnectOptions;
use store::ledger::{Id, Outcome, Start, State};
use store::{Access, Store};
use uuid::Uuid;

use crate::support::calls::{self, new_id, start};
use crate::support::stores::{Stores, keyring};

const DAY: Duration = Duration::from_hours(24);

/// Calls of a slice: src/log/statements.rs.
const SLICE: i64 = 16 * 1024;

/// Makes the tables of an empty file as this version of them was.
async fn migrate_to(version: i64, stores: &Stores) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/sqlite");
    let versions = Migrator::new(folder).await.unwrap();
    let versions = versions.iter().filter(|known| known.version <= version);
    let versions = Migrator::with_migrations(versions.cloned().collect());
    let options: SqliteConnectOptions = stores.url().parse().unwrap();
    let options = options.create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    let migrated = versions.run_direct(None, &mut connection, false);
    migrated.await.unwrap();
}

/// Starts so many new calls.
async fn fill(store: &Store, owner: Uuid, lifetime: Duration, count: i64) -> Vec<Id> {
    let ids: Vec<Id> = (0..count).map(|_| new_id()).collect();
    for (chunk, first) in ids.chunks(256).zip((1_000..).step_by(256)) {
        let starts = chunk.iter().zip(first..);
        let starts: Vec<Start> = starts.map(|(id, attempt)| start(id, attempt)).collect();
        let written = store.write_ledger(owner, lifetime, starts, &[]).await;
        assert_eq!(written.unwrap().len(), chunk.len());
    }
    ids
}

async fn state(store: &Store, id: &Id) -> Option<State> {
    store.ledger_row(id).await.unwrap().map(|row| row.state)
}

async fn end(store: &Store, owner: Uuid, id: &Id, attempt: i64, outcome: Outcome) {
    let end = calls::end(id, attempt, outcome);
    let ended = store.write_ledger(owner, DAY, Vec::new(), &[&end]).await;
    ended.unwrap();
}

/// Waits until the keys of earlier processes are known.
async fn assert_gets_new(store: &Store) {
    while !store.is_new_in_ledger(&new_id()) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn assert_started(state: Option<State>, by: Uuid, expected: i64) {
    match state {
        Some(State::Started { owner, attempt, .. }) => {
            assert_eq!((owner, attempt), (by, expected));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_whose_keys_are_in_slices_are_found_ended_and_not_started_again() {
    let stores = Stores::sqlite();
    let keyring = keyring();
    let store = stores.open(&keyring).await;
    let owner = Uuid::new_v4();
    let (first, second, third) = (new_id(), new_id(), new_id());
    let starts = vec![start(&first, 1), start(&second, 2), start(&third, 3)];
    store.write_ledger(owner, DAY, starts, &[]).await.unwrap();
    let others = fill(&store, owner, DAY, 2 * SLICE + 100).await;
    let slices = "SELECT CAST(COUNT(*) AS TEXT) FROM ledger_slices";
    assert_eq!(stores.texts(slices).await, ["2"]);

    for id in [&others[0], &others[20_000], others.last().unwrap()] {
        assert!(matches!(
            state(&store, id).await,
            Some(State::Started { .. })
        ));
    }
    let answered = Outcome::Answered("7".to_owned());
    end(&store, owner, &first, 9, answered.clone()).await;
    end(&store, Uuid::new_v4(), &first, 1, answered.clone()).await;
    assert_started(state(&store, &first).await, owner, 1);
    end(&store, owner, &first, 1, answered).await;
    end(&store, owner, &second, 2, Outcome::NotExecuted).await;
    let again = vec![start(&first, 4), start(&second, 5), start(&third, 6)];
    let started = store.write_ledger(owner, DAY, again, &[]).await.unwrap();
    assert_eq!(started.into_iter().collect::<Vec<_>>(), [5]);
    drop(store);

    let store = stores.open(&keyring).await;
    assert_gets_new(&store).await;
    for id in &others {
        assert!(!store.is_new_in_ledger(id));
    }
    assert_eq!(
        state(&store, &first).await,
        Some(State::Answered("7".to_owned()))
    );
    assert_started(state(&store, &second).await, owner, 5);
    assert_started(state(&store, &third).await, owner, 3);
    // They belong to the process of before.
    let again = vec![start(&second, 1), start(&others[5], 2), start(&new_id(), 3)];
    let other = Uuid::new_v4();
    let started = store.write_ledger(other, DAY, again, &[]).await.unwrap();
    assert_eq!(started.into_iter().collect::<Vec<_>>(), [3]);
    assert!(store.abandon(&third, owner, Duration::ZERO).await.unwrap());
    assert!(!store.abandon(&third, owner, Duration::ZERO).await.unwrap());
    assert_eq!(state(&store, &third).await, Some(State::Unknown));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slice_is_deleted_when_all_of_it_has_expired_and_its_keys_are_new_again() {
    let stores = Stores::sqlite();
    let store = stores.open(&keyring()).await;
    let owner = Uuid::new_v4();
    let expired = fill(&store, owner, Duration::ZERO, SLICE).await;
    let kept = fill(&store, owner, DAY, 10).await;
    assert_gets_new(&store).await;
    let mut deleted = 0;
    loop {
        let some = store.clean_ledger(5_000).await.unwrap();
        assert!(some <= 5_000);
        deleted += some;
        if some == 0 {
            break;
        }
    }
    assert_eq!(deleted, u64::try_from(SLICE).unwrap());
    for table in ["ledger_slices", "ledger_keys", "ledger_ends"] {
        let rows = format!("SELECT CAST(COUNT(*) AS TEXT) FROM {table}");
        assert_eq!(stores.texts(&rows).await, ["0"], "{table}");
    }
    for id in &kept {
        assert!(!store.is_new_in_ledger(id));
        assert!(state(&store, id).await.is_some());
    }
    let new = expired.iter().filter(|id| store.is_new_in_ledger(id));
    assert!(new.count() > expired.len() / 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tenants_are_stored_while_calls_are_written() {
    let stores = Stores::sqlite();
    let store = stores.open(&keyring()).await;
    let owner = Uuid::new_v4();
    let filling = tokio::spawn({
        let store = store.clone();
        async move { fill(&store, owner, DAY, 20_000).await }
    });
    let mut created = 0;
    while !filling.is_finished() {
        let tenant = crate::support::stores::webhook(&format!("t{created}"));
        store.create(&tenant).await.unwrap();
        created += 1;
    }
    filling.await.unwrap();
    assert!(created > 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_file_of_an_earlier_version_keeps_its_calls() {
    let stores = Stores::sqlite();
    let keyring = keyring();
    migrate_to(6, &stores).await;
    let owner = Uuid::new_v4();
    let (started, answered, unknown, expired) = (new_id(), new_id(), new_id(), new_id());
    let far = 9_000_000_000_000_i64;
    for (id, state, answer, expires_at, attempt) in [
        (&started, "started", "NULL", far, 1),
        (&answered, "answered", "'{\"a\": 1}'", far, 2),
        (&unknown, "unknown", "NULL", far, 3),
        (&expired, "started", "NULL", 0, 4),
    ] {
        let row = format!(
            "INSERT INTO ledger VALUES ('acme', '{}', zeroblob(32), '{state}', {answer}, '{owner}', {attempt}, \
             {attempt}, {expires_at})",
            id.request
        );
        stores.execute(&row).await;
    }
    let damaged = "INSERT INTO ledger VALUES ('acme', 'no key', x'', 'unknown', NULL, 'nobody', 1, 1, 9000000000000)";
    stores.execute(damaged).await;
    let damaged = [("", new_id()), ("ab", new_id())];
    for (owner, id) in &damaged {
        let row = format!(
            "INSERT INTO ledger VALUES ('acme', '{}', zeroblob(32), 'started', NULL, '{owner}', 5, 1, {far})",
            id.request
        );
        stores.execute(&row).await;
    }
    let refused = stores.try_open(&keyring, Access::Maintenance).await;
    refused.unwrap_err();

    let store = stores.open(&keyring).await;
    assert_started(state(&store, &started).await, owner, 1);
    let answer = State::Answered("{\"a\": 1}".to_owned());
    assert_eq!(state(&store, &answered).await, Some(answer));
    assert_eq!(state(&store, &unknown).await, Some(State::Unknown));
    assert_eq!(state(&store, &expired).await, None);
    for (_, id) in &damaged {
        assert_started(state(&store, id).await, Uuid::nil(), 5);
    }
    let seen = "SELECT request_id || ' ' || state || ' ' || owner FROM ledger WHERE attempt = 2";
    let expected = format!("{} answered {owner}", answered.request);
    assert_eq!(stores.texts(seen).await, [expected]);
    let again = [&started, &answered, &unknown, &expired].map(|id| start(id, 9));
    let written = store.write_ledger(Uuid::new_v4(), DAY, again.to_vec(), &[]);
    assert_eq!(written.await.unwrap().len(), 1);
    assert!(state(&store, &expired).await.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_were_copied_into_the_view_are_found() {
    let stores = Stores::sqlite();
    let keyring = keyring();
    drop(stores.open(&keyring).await);
    let owner = Uuid::new_v4();
    let ids: Vec<Id> = (0..3).map(|_| new_id()).collect();
    for (id, (state, answer)) in ids.iter().zip([
        ("started", "NULL"),
        ("answered", "'1'"),
        ("unknown", "NULL"),
    ]) {
        let copy = format!(
            "INSERT INTO ledger (tenant_id, request_id, fingerprint, state, answer, owner, attempt, started_at, \
             expires_at) VALUES ('acme', '{}', zeroblob(32), '{state}', {answer}, '{owner}', 4, 5, 9000000000000)",
            id.request
        );
        stores.execute(&copy).await;
    }
    // A part of a copy that is made anew.
    let other = "INSERT INTO ledger (tenant_id, request_id, fingerprint, state, answer, owner, attempt, started_at, \
         expires_at) SELECT 'other', request_id, fingerprint, state, answer, owner, attempt, started_at, expires_at \
         FROM ledger";
    stores.execute(other).await;
    stores
        .execute("DELETE FROM ledger WHERE (tenant_id, request_id) > ('b', '')")
        .await;
    for table in ["ledger_starts", "ledger_ends"] {
        let rows = format!("SELECT CAST(COUNT(*) AS TEXT) FROM {table}");
        let left = if table == "ledger_starts" { "3" } else { "2" };
        assert_eq!(stores.texts(&rows).await, [left], "{table}");
    }
    let store = stores.open(&keyring).await;
    assert_started(state(&store, &ids[0]).await, owner, 4);
    assert_eq!(
        state(&store, &ids[1]).await,
        Some(State::Answered("1".to_owned()))
    );
    assert_eq!(state(&store, &ids[2]).await, Some(State::Unknown));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_beside_the_service_has_the_calls() {
    let (stores, copies) = (Stores::sqlite(), Stores::sqlite());
    let keyring = keyring();
    let store = stores.open(&keyring).await;
    let owner = Uuid::new_v4();
    let (first, last) = (new_id(), new_id());
    let starts = vec![start(&first, 1)];
    store.write_ledger(owner, DAY, starts, &[]).await.unwrap();
    fill(&store, owner, DAY, SLICE).await;
    let starts = vec![start(&last, 2)];
    store.write_ledger(owner, DAY, starts, &[]).await.unwrap();
    end(&store, owner, &first, 1, Outcome::Answered("1".to_owned())).await;
    let copy = copies.file().unwrap();
    let backup = format!("VACUUM INTO '{}'", copy.display());
    stores.execute(&backup).await;
    let copy = copies.open(&keyring).await;
    assert_eq!(
        state(&copy, &first).await,
        Some(State::Answered("1".to_owned()))
    );
    assert_started(state(&copy, &last).await, owner, 2);
}
