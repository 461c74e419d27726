//! A look at a store that changes nothing.

use std::time::{Duration, Instant};

use store::{Found, Inspection, OpenError, StoreUrl};
use uuid::Uuid;

use crate::support::stores::{Stores, application, keyring, on_both_stores, webhook};

on_both_stores!(
    a_look_tells_what_is_there_and_changes_nothing,
    an_older_and_a_newer_store_are_told_apart,
    a_look_at_nothing_creates_nothing,
);

const PATIENCE: Duration = Duration::from_secs(30);

async fn look(stores: &Stores) -> Result<Inspection, OpenError> {
    Inspection::of(&StoreUrl::parse(stores.url()).unwrap()).await
}

async fn found(stores: &Stores) -> Found {
    match look(stores).await.unwrap() {
        Inspection::Found(found) => found,
        Inspection::Empty => panic!("nothing was found"),
    }
}

/// The names and the content of an SQLite file and of the files beside it.
fn files(stores: &Stores) -> Vec<(String, Vec<u8>)> {
    let Some(file) = stores.file() else {
        return Vec::new();
    };
    let folder = std::fs::read_dir(file.parent().unwrap()).unwrap();
    let mut files: Vec<_> = folder
        .map(|entry| entry.unwrap())
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, std::fs::read(entry.path()).unwrap())
        })
        .collect();
    files.sort();
    files
}

/// The same content where nobody has it open: the last connection to an SQLite file closes when its
/// thread gets round to it.
async fn at_rest(stores: Stores) -> Stores {
    let Some(file) = stores.file() else {
        return stores;
    };
    let (log, begun) = (file.with_extension("db-wal"), Instant::now());
    while log.metadata().is_ok_and(|log| log.len() > 0) {
        assert!(begun.elapsed() < PATIENCE, "the log stays");
        stores.execute("PRAGMA wal_checkpoint(TRUNCATE)").await;
    }
    let copy = Stores::sqlite();
    std::fs::copy(file, copy.file().unwrap()).unwrap();
    copy
}

async fn a_look_tells_what_is_there_and_changes_nothing(stores: Stores) {
    let keyring = keyring();
    let store = stores.open(&keyring).await;
    store.create(&application("acme")).await.unwrap();
    store.create(&webhook("hook")).await.unwrap();
    store.beat(Uuid::new_v4(), Some("host-1")).await.unwrap();

    let beside = found(&stores).await;
    assert_eq!(beside.version, beside.known);
    assert_eq!(beside.tenants.tenants, 2);
    assert_eq!(beside.tenants.disabled, 2);
    assert_eq!(beside.tenants.reauthorization_required, 2);
    assert_eq!(beside.keys, [(keyring.first(), 5)]);
    assert_eq!(beside.serving, ["host-1"]);
    assert!(!beside.is_read_only);

    drop(store);
    let stores = at_rest(stores).await;
    let before = files(&stores);
    assert_eq!(found(&stores).await.tenants, beside.tenants);
    assert_eq!(files(&stores), before);
}

async fn an_older_and_a_newer_store_are_told_apart(stores: Stores) {
    drop(stores.open(&keyring()).await);
    let last = "(SELECT MAX(version) FROM _sqlx_migrations)";
    let known = found(&stores).await.known;
    stores
        .execute(&format!(
            "UPDATE _sqlx_migrations SET version = 1000 WHERE version = {last}"
        ))
        .await;
    match look(&stores).await {
        Err(OpenError::Newer { found: 1000, .. }) => {}
        other => panic!("{other:?}"),
    }
    stores
        .execute("DELETE FROM _sqlx_migrations WHERE version = 1000")
        .await;
    let older = found(&stores).await;
    assert_eq!((older.version, older.known), (known - 1, known));
}

async fn a_look_at_nothing_creates_nothing(stores: Stores) {
    for _ in 0..2 {
        assert!(matches!(look(&stores).await, Ok(Inspection::Empty)));
        assert!(files(&stores).is_empty());
    }
    let missing = StoreUrl::parse("sqlite:/no/such/folder/openlines.db").unwrap();
    let refused = Inspection::of(&missing).await.unwrap_err();
    assert!(matches!(refused, OpenError::File { .. }), "{refused:?}");
}
