//! What is damaged or fails, and what goes on beside it.

use store::ledger::{End, Id, Outcome, State};
use uuid::Uuid;

use super::{DAY, SLICE, assert_gets_new, assert_started, end, fill, new_id, start, state};
use crate::support::stores::{Stores, keyring};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_keys_keep_no_other_from_being_known_as_new() {
    let stores = Stores::sqlite();
    let keyring = keyring();
    let store = stores.open(&keyring).await;
    let owner = Uuid::new_v4();
    let ids = fill(&store, owner, DAY, SLICE + 10).await;
    drop(store);
    let blob = |id: &Id| format!("x'{}'", id.request.simple());
    let (last, key) = (blob(ids.last().unwrap()), blob(&ids[3]));
    let (tenant, fingerprint) = (blob(&ids[2]), blob(&ids[4]));
    for damage in [
        format!("UPDATE ledger_keys SET request = x'00' WHERE request = {key}"),
        format!("UPDATE ledger_starts SET tenant = 'NO' WHERE request IN ({tenant}, {last})"),
        format!(
            "UPDATE ledger_starts SET tenant = CAST(x'ff' AS TEXT) WHERE request = {}",
            blob(&ids[ids.len() - 2])
        ),
        format!("UPDATE ledger_starts SET fingerprint = x'00' WHERE request = {fingerprint}"),
    ] {
        assert!(stores.execute(&damage).await > 0, "{damage}");
    }
    let store = stores.open(&keyring).await;
    assert_gets_new(&store).await;
    store.ledger_row(&ids[4]).await.unwrap_err();
    for (id, attempt) in ids.iter().zip(1_000..).skip(5).take(10) {
        assert_started(state(&store, id).await, owner, attempt);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_failure_it_is_read_again_and_one_that_fails_does_not_hold_up_others() {
    let stores = Stores::sqlite();
    let store = stores.open(&keyring()).await;
    let owner = Uuid::new_v4();
    let (refused, sound) = (new_id(), new_id());
    let starts = vec![start(&refused, 1), start(&sound, 2)];
    store.write_ledger(owner, DAY, starts, &[]).await.unwrap();
    let refusal = format!(
        "CREATE TRIGGER refusal BEFORE INSERT ON ledger_ends \
         WHEN NEW.id = (SELECT id FROM ledger_starts WHERE request = x'{}') \
         BEGIN SELECT RAISE(ABORT, 'refused'); END",
        refused.request.simple()
    );
    stores.execute(&refusal).await;
    let ended = |id: &Id, attempt| End {
        id: id.clone(),
        attempt,
        outcome: Outcome::Unknown,
    };
    let (bad, good) = (ended(&refused, 1), ended(&sound, 2));
    for _ in 0..3 {
        // The start of the same transaction is not written either.
        let (started, bad, good) = ([start(&new_id(), 3)], [&bad], [&good]);
        let (failed, written) = tokio::join!(
            store.write_ledger(owner, DAY, started.to_vec(), &bad),
            store.write_ledger(owner, DAY, Vec::new(), &good),
        );
        let failed = failed.unwrap_err();
        let told = std::error::Error::source(&failed).unwrap().to_string();
        assert!(told.contains("refused"), "{told}");
        written.unwrap();
        assert_eq!(state(&store, &started[0].id).await, None);
    }
    assert_eq!(state(&store, &sound).await, Some(State::Unknown));
    assert_started(state(&store, &refused).await, owner, 1);
    stores.execute("DROP TRIGGER refusal").await;
    end(&store, owner, &refused, 1, Outcome::Unknown).await;
    assert_eq!(state(&store, &refused).await, Some(State::Unknown));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_after_a_file_that_could_not_be_read_is_tried() {
    let stores = Stores::sqlite();
    let store = stores.open(&keyring()).await;
    let owner = Uuid::new_v4();
    let call = new_id();
    for attempt in 1..4 {
        let hidden = "ALTER TABLE ledger_starts RENAME TO hidden";
        stores.execute(hidden).await;
        let failed = store.write_ledger(owner, DAY, vec![start(&call, attempt)], &[]);
        failed.await.unwrap_err();
        let failed = store.write_ledger(owner, DAY, vec![start(&call, attempt)], &[]);
        failed.await.unwrap_err();
        let shown = "ALTER TABLE hidden RENAME TO ledger_starts";
        stores.execute(shown).await;
        let written = store.write_ledger(owner, DAY, vec![start(&call, attempt)], &[]);
        assert_eq!(written.await.unwrap().len(), 1);
        assert_started(state(&store, &call).await, owner, attempt);
        end(&store, owner, &call, attempt, Outcome::NotExecuted).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_keys_that_cannot_be_read_does_not_stop_the_ledger() {
    let stores = Stores::sqlite();
    let keyring = keyring();
    let store = stores.open(&keyring).await;
    let owner = Uuid::new_v4();
    fill(&store, owner, DAY, SLICE + 10).await;
    drop(store);
    let root = "SELECT CAST(rootpage AS TEXT) FROM sqlite_schema WHERE name = 'ledger_keys'";
    let root: u64 = loop {
        let number = stores.texts(root).await[0].parse().unwrap();
        // The last connection that is closed moves the log into the file.
        if !stores.file().unwrap().with_extension("db-wal").exists() {
            break number;
        }
    };
    destroy_first_child(&stores.file().unwrap(), root);

    let store = stores.open(&keyring).await;
    for attempt in 1_i64..10 {
        // The last key is in a page that can be read.
        let mut last = new_id();
        last.request = Uuid::from_u128(u128::MAX - u128::from(attempt.unsigned_abs()));
        let starts = vec![start(&last, attempt)];
        let written = store.write_ledger(owner, DAY, starts, &[]).await.unwrap();
        assert_eq!(written.len(), 1);
        end(&store, owner, &last, attempt, Outcome::Unknown).await;
        assert_eq!(state(&store, &last).await, Some(State::Unknown));
        assert!(!store.is_new_in_ledger(&new_id()));
    }
}

/// Overwrites the page of the first keys of a table that is in the order of its keys.
fn destroy_first_child(path: &std::path::Path, root: u64) {
    use std::os::unix::fs::FileExt;
    const PAGE: usize = 4096;
    let place = |page: u64| (page - 1) * u64::try_from(PAGE).unwrap();
    let file = std::fs::File::options().read(true).write(true).open(path);
    let file = file.unwrap();
    let mut page = [0; PAGE];
    file.read_exact_at(&mut page, place(root)).unwrap();
    // It is an interior page: behind its head of 12 bytes are the places of its cells, and each
    // cell begins with the number of a page.
    assert_eq!(page[0], 2);
    let cell = usize::from(u16::from_be_bytes([page[12], page[13]]));
    let child = page[cell..cell + 4].try_into().unwrap();
    let child = u64::from(u32::from_be_bytes(child));
    file.write_all_at(&[0; PAGE], place(child)).unwrap();
}
