use std::path::PathBuf;
use std::pin::pin;
use std::task::{Context, Wake, Waker};

use futures_util::FutureExt;
use rusqlite::ffi;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::super::statements::{END, START};
use super::*;
use crate::log::{Found, Ledger};
use crate::open::{Access, Store};
use crate::pool::Pool;
use crate::record::{End, Id, Outcome, Start};
use crate::sealing::{Key, Keyring};
use crate::url::StoreUrl;

fn id() -> Id {
    Id {
        tenant: bitrix24::TenantId::parse("acme").unwrap(),
        request: Uuid::new_v4(),
    }
}

fn order(starts: Vec<Start>, ends: Vec<End>) -> (Order, oneshot::Receiver<impl Sized>) {
    let (reply, done) = oneshot::channel();
    let order = Order::Write {
        owner: Uuid::nil(),
        lifetime: 1_000_000,
        starts,
        ends,
        reply,
    };
    (order, done)
}

fn start(id: &Id) -> Start {
    Start {
        id: id.clone(),
        fingerprint: [0; 32],
        attempt: 1,
        replaces: None,
    }
}

fn end(id: &Id) -> End {
    End {
        id: id.clone(),
        attempt: 1,
        outcome: Outcome::Unknown,
    }
}

/// A file with the tables, which nobody has open.
async fn migrated(folder: &tempfile::TempDir) -> PathBuf {
    drop(open(folder, &Key::generate().unwrap()).await);
    folder.path().join("store.db")
}

#[tokio::test]
async fn starts_are_flushed_to_the_disk_and_ends_alone_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = migrated(&folder).await;
    let file = Arc::new(OpenedFile::of(&path).unwrap());
    let (_orders, received) = std::sync::mpsc::channel();
    let index = Arc::<Index>::default();
    let (opened, _is_open) = oneshot::channel();
    let worker = Worker::new(file, Arc::default(), Arc::clone(&index), received, opened);
    let connection = connect(&path).unwrap();
    let mut log = worker.open(&connection, &index).unwrap();
    // 2 is FULL, 1 is NORMAL.
    let level = || -> i64 {
        let level = connection.pragma_query_value(None, "synchronous", |row| row.get(0));
        level.unwrap()
    };
    assert_eq!(level(), 2);
    let (one, other) = (id(), id());
    for (starts, ends, expected) in [
        (vec![start(&one)], Vec::new(), 2),
        (Vec::new(), vec![end(&one)], 1),
        (vec![start(&other)], vec![end(&one)], 2),
        (Vec::new(), vec![end(&other)], 1),
        (vec![start(&id())], Vec::new(), 2),
    ] {
        let (order, _done) = order(starts, ends);
        worker.write(&mut log, &[order]).unwrap();
        assert_eq!(level(), expected);
    }
}

#[tokio::test]
async fn no_row_of_a_call_takes_a_table_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = migrated(&folder).await;
    let connection = connect(&path).unwrap();
    for statement in [START, END] {
        let mut program = connection.prepare(&format!("EXPLAIN {statement}")).unwrap();
        let parameters = vec![rusqlite::types::Null; program.parameter_count()];
        let steps = program.query_map(rusqlite::params_from_iter(parameters), |row| row.get(1));
        let steps: Vec<String> = steps.unwrap().map(Result::unwrap).collect();
        assert!(steps.contains(&"Insert".to_owned()), "{steps:?}");
        assert!(!steps.contains(&"OpenEphemeral".to_owned()), "{steps:?}");
    }
}

#[tokio::test]
async fn what_nobody_waits_for_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let url = StoreUrl::Sqlite(folder.path().join("store.db"));
    let keyring = Keyring::from(Key::generate().unwrap());
    let store = Store::open(&url, keyring, Access::Service).await.unwrap();
    let path = folder.path().join("store.db");
    let writer = rusqlite::Connection::open(&path).unwrap();
    let (left, kept) = (id(), id());
    writer.execute_batch("BEGIN IMMEDIATE").unwrap();
    let write = |id: &Id| {
        let (store, starts) = (store.clone(), vec![start(id)]);
        let owner = Uuid::new_v4();
        let day = std::time::Duration::from_hours(24);
        tokio::spawn(async move { store.write_ledger(owner, day, starts, &[]).await })
    };
    // The first one holds up the second, which is given up.
    let first = write(&id());
    tokio::task::yield_now().await;
    let second = write(&left);
    tokio::task::yield_now().await;
    second.abort();
    assert!(second.await.unwrap_err().is_cancelled());
    writer.execute_batch("COMMIT").unwrap();
    assert_eq!(first.await.unwrap().unwrap().len(), 1);
    assert_eq!(write(&kept).await.unwrap().unwrap().len(), 1);
    assert_eq!(store.ledger_row(&left).await.unwrap(), None);
    assert!(store.ledger_row(&kept).await.unwrap().is_some());
}

const DAY: Duration = Duration::from_hours(24);

async fn open(folder: &tempfile::TempDir, key: &Key) -> Store {
    let url = StoreUrl::Sqlite(folder.path().join("store.db"));
    let keyring = Keyring::from(key.clone());
    Store::open(&url, keyring, Access::Service).await.unwrap()
}

fn file(store: &Store) -> (&Ledger, &OpenedFile) {
    match &store.pool {
        Pool::Sqlite(sqlite) => (sqlite.ledger.as_ref().unwrap(), &sqlite.file),
        Pool::Postgresql(_) => panic!("another store"),
    }
}

/// Starts calls of a slice and some more.
async fn fill(store: &Store) -> Vec<Id> {
    let ids: Vec<Id> = (0..super::super::statements::SLICE + 100)
        .map(|_| id())
        .collect();
    for ids in ids.chunks(ROWS) {
        let starts = ids.iter().map(start).collect();
        let written = store.write_ledger(Uuid::nil(), DAY, starts, &[]);
        written.await.unwrap();
    }
    ids
}

fn failure(code: i32) -> StoreError {
    rusqlite::Error::SqliteFailure(ffi::Error::new(code), None).into()
}

#[tokio::test]
async fn a_ledger_has_started_when_the_file_was_read_and_its_slices_written() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder, &Key::generate().unwrap()).await;
    let ids = fill(&store).await;
    drop(store);
    // As after a migration.
    let path = folder.path().join("store.db");
    let migrated = Connection::open(&path).unwrap();
    migrated
        .execute_batch("DELETE FROM ledger_slices; DELETE FROM ledger_keys")
        .unwrap();
    let file = Arc::new(OpenedFile::of(&path).unwrap());
    let lock = Arc::new(tempfile::tempfile().unwrap());
    let writers = Arc::<Mutex<()>>::default();
    let turn = Arc::clone(&writers).lock_owned().await;
    let mut starting = pin!(Ledger::start(&path, file, writers, lock));
    // A slice is written in its turn.
    let before = starting.as_mut().now_or_never();
    drop(turn);
    assert!(before.is_none());
    let ledger = starting.await.unwrap();
    assert!(matches!(ledger.find(&ids[0]), Found::Older));
    let last = ids.last().unwrap();
    assert!(matches!(ledger.find(last), Found::Latest(_)));
}

#[tokio::test]
async fn repeats_are_found_while_it_is_not_known_what_the_file_has() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder, &Key::generate().unwrap()).await;
    let ids = fill(&store).await;
    let (ledger, _) = file(&store);
    ledger.0.index.replace(None);
    for id in [&ids[0], &ids[10_000], ids.last().unwrap()] {
        assert!(store.ledger_row(id).await.unwrap().is_some());
    }
    assert_eq!(store.ledger_row(&id()).await.unwrap(), None);
    assert!(matches!(ledger.find(&ids[0]), Found::Lost));
}

#[tokio::test]
async fn failures_note_no_key_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder, &Key::generate().unwrap()).await;
    let ids: Vec<Id> = (0..100).map(|_| id()).collect();
    let starts = ids.iter().map(start).collect();
    let written = store.write_ledger(Uuid::nil(), DAY, starts, &[]);
    written.await.unwrap();
    let other = Connection::open(folder.path().join("store.db")).unwrap();
    other
        .execute_batch(
            "CREATE TRIGGER refusal BEFORE INSERT ON ledger_ends BEGIN SELECT RAISE(ABORT, 'no'); END",
        )
        .unwrap();
    let known = &file(&store).0.0.index.known;
    assert_eq!(known.noted(), 100);
    for _ in 0..5 {
        let (end, starts) = (end(&ids[0]), Vec::new());
        let ends = [&end];
        let written = store.write_ledger(Uuid::nil(), DAY, starts, &ends);
        written.await.unwrap_err();
        assert_eq!(known.noted(), 100);
    }
}

#[tokio::test]
async fn after_a_failed_flush_no_call_is_started_and_the_thread_ends() {
    for code in [ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_IOERR_DIR_FSYNC] {
        let folder = tempfile::tempdir().unwrap();
        let key = Key::generate().unwrap();
        let store = open(&folder, &key).await;
        let (before, after) = (id(), id());
        let write = |id: &Id| {
            let starts = vec![start(id)];
            store.write_ledger(Uuid::nil(), DAY, starts, &[])
        };
        assert_eq!(write(&before).await.unwrap().len(), 1);
        // As a statement of another connection of the process has it.
        file(&store).1.heard(&Err::<(), _>(failure(code)));
        write(&after).await.unwrap_err();
        store.ledger_ended().await;
        write(&after).await.unwrap_err();
        assert!(store.ledger_row(&before).await.unwrap().is_some());
        drop(store);
        let store = open(&folder, &key).await;
        assert!(store.ledger_row(&before).await.unwrap().is_some());
        assert_eq!(store.ledger_row(&after).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_failed_flush_is_told_from_other_failures() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    drop(open(&folder, &Key::generate().unwrap()).await);
    for (code, is_last) in [
        (ffi::SQLITE_IOERR_FSYNC, true),
        (ffi::SQLITE_IOERR_DIR_FSYNC, true),
        (ffi::SQLITE_IOERR_WRITE, false),
        (ffi::SQLITE_FULL, false),
    ] {
        let file = Arc::new(OpenedFile::of(&path).unwrap());
        let (_orders, received) = std::sync::mpsc::channel();
        let (opened, _is_open) = oneshot::channel();
        let worker = Worker::new(file, Arc::default(), Arc::default(), received, opened);
        let failed = worker.in_turn(|| Err::<(), _>(failure(code)));
        failed.unwrap_err();
        assert_eq!(worker.in_turn(|| Ok(())).is_err(), is_last, "{code}");
    }
}

/// Wakes nobody.
struct Panicking;

impl Wake for Panicking {
    fn wake(self: Arc<Self>) {
        panic!("planted");
    }
}

#[tokio::test]
async fn that_the_thread_has_panicked_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder, &Key::generate().unwrap()).await;
    let Pool::Sqlite(sqlite) = &store.pool else {
        panic!("another store");
    };
    let (ledger, _) = file(&store);
    assert!(store.ledger_ended().now_or_never().is_none());
    {
        let turn = Arc::clone(&sqlite.writing.turn).lock_owned().await;
        let write = ledger.write(Uuid::nil(), 1_000, vec![start(&id())], Vec::new());
        let mut write = pin!(write);
        let waker = Waker::from(Arc::new(Panicking));
        let polled = write.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
        drop(turn);
        store.ledger_ended().await;
    }
    ledger.clean(1).await.unwrap_err();
}
