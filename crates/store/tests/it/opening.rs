//! What happens when a store is opened.

use std::error::Error;
use std::os::unix::fs::PermissionsExt;

use futures_util::future::join_all;
use store::{Access, OpenError, Store, StoreUrl};

use crate::support::stores::{Stores, id, keyring, on_both_stores, webhook};

on_both_stores!(
    what_was_stored_is_there_after_a_restart,
    a_database_of_a_newer_version_is_refused,
    a_version_that_somebody_changed_is_refused,
    a_command_beside_the_service_creates_no_tables,
);

async fn what_was_stored_is_there_after_a_restart(stores: Stores) {
    let keyring = keyring();
    let store = stores.open(&keyring).await;
    store.create(&webhook("acme")).await.unwrap();
    drop(store);
    let store = stores.open(&keyring).await;
    assert!(store.tenant(&id("acme")).await.unwrap().is_some());
    assert_eq!(store.last_change().await.unwrap(), 1);
}

async fn a_database_of_a_newer_version_is_refused(stores: Stores) {
    drop(stores.open(&keyring()).await);
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         SELECT 9000, 'future', success, checksum, 0 FROM _sqlx_migrations WHERE version = 1";
    assert_eq!(stores.execute(newer).await, 1);
    for access in [Access::Service, Access::Maintenance] {
        let refused = stores.try_open(&keyring(), access).await;
        let Err(OpenError::Newer { found: 9000, known }) = &refused else {
            panic!("{refused:?}")
        };
        assert!(*known < 9000);
        let told = refused.unwrap_err().to_string();
        assert!(told.contains("run the newer version"), "{told}");
    }
}

async fn a_version_that_somebody_changed_is_refused(stores: Stores) {
    drop(stores.open(&keyring()).await);
    let change = "UPDATE _sqlx_migrations SET checksum = (SELECT file_fingerprint FROM tenants) \
         WHERE version = 1";
    // The column takes no NULL, so take any other bytes.
    let change = change.replace(
        "(SELECT file_fingerprint FROM tenants)",
        if stores.is_shared() {
            "'\\x00'"
        } else {
            "x'00'"
        },
    );
    assert_eq!(stores.execute(&change).await, 1);
    let refused = stores.try_open(&keyring(), Access::Service).await;
    assert!(
        matches!(refused, Err(OpenError::Migration(_))),
        "{refused:?}"
    );
}

async fn a_command_beside_the_service_creates_no_tables(stores: Stores) {
    let refused = stores.try_open(&keyring(), Access::Maintenance).await;
    if let Some(file) = stores.file() {
        assert!(matches!(refused, Err(OpenError::NoFile(_))), "{refused:?}");
        assert!(!file.exists());
        std::fs::write(&file, "").unwrap();
        let refused = stores.try_open(&keyring(), Access::Maintenance).await;
        assert!(
            matches!(refused, Err(OpenError::NotMigrated)),
            "{refused:?}"
        );
    } else {
        assert!(
            matches!(refused, Err(OpenError::NotMigrated)),
            "{refused:?}"
        );
    }
    let store = stores.open(&keyring()).await;
    stores
        .try_open(&keyring(), Access::Maintenance)
        .await
        .unwrap();
    drop(store);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_replicas_start_together_on_an_empty_database() {
    let Some(stores) = Stores::postgresql().await else {
        return;
    };
    let keyring = keyring();
    let replicas = join_all((0..8).map(|_| stores.open(&keyring))).await;
    for (number, replica) in replicas.iter().enumerate() {
        replica
            .create(&webhook(&format!("t{number}")))
            .await
            .unwrap();
    }
    for replica in &replicas {
        assert_eq!(replica.count().await.unwrap().tenants, 8);
    }
    let applied = "SELECT description FROM _sqlx_migrations";
    let applied = stores.texts(applied).await.len();
    let versions = std::fs::read_dir("migrations/postgresql").unwrap().count();
    assert_eq!(applied, versions);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_eight_services_on_one_file_one_serves_and_the_others_are_told_why() {
    let stores = Stores::sqlite();
    let keyring = keyring();
    let opened = join_all((0..8).map(|_| stores.try_open(&keyring, Access::Service))).await;
    let (serving, refused): (Vec<_>, Vec<_>) = opened.into_iter().partition(Result::is_ok);
    assert_eq!(serving.len(), 1);
    for refused in refused {
        let refused = refused.unwrap_err();
        assert!(matches!(refused, OpenError::Taken(_)), "{refused:?}");
        assert!(refused.to_string().contains("use PostgreSQL"), "{refused}");
    }
    drop(serving);
    stores.open(&keyring).await;
}

#[tokio::test]
async fn an_sqlite_file_is_for_its_owner_only() {
    let stores = Stores::sqlite();
    let store = stores.open(&keyring()).await;
    store.create(&webhook("acme")).await.unwrap();
    let folder = stores.file().unwrap().parent().unwrap().to_owned();
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{:?}", entry.path());
        files += 1;
    }
    // The file, its log, the log's index, and the lock.
    assert_eq!(files, 4);
}

#[tokio::test]
async fn a_folder_that_is_not_there_or_takes_no_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    for path in [
        folder.path().join("missing/openlines.db"),
        file.join("openlines.db"),
    ] {
        let url = StoreUrl::parse(&format!("sqlite:{}", path.display())).unwrap();
        let refused = Store::open(&url, keyring(), Access::Service)
            .await
            .unwrap_err();
        assert!(matches!(refused, OpenError::File { .. }), "{refused:?}");
        let told = refused.to_string();
        assert!(told.contains(path.to_str().unwrap()), "{told}");
        assert!(told.contains("check that its folder exists"), "{told}");
    }
}

#[tokio::test]
async fn what_is_no_database_is_refused() {
    let stores = Stores::sqlite();
    std::fs::write(stores.file().unwrap(), "tenants: []\n".repeat(100)).unwrap();
    let refused = stores.try_open(&keyring(), Access::Service).await;
    let Err(OpenError::Store(error)) = refused else {
        panic!("{refused:?}")
    };
    assert!(
        error
            .source()
            .unwrap()
            .to_string()
            .contains("not a database"),
        "{error:?}"
    );
}

#[tokio::test]
async fn both_stores_have_the_same_columns() {
    let Some(postgresql) = Stores::postgresql().await else {
        return;
    };
    let sqlite = Stores::sqlite();
    let keyring = keyring();
    let _stores = (postgresql.open(&keyring).await, sqlite.open(&keyring).await);
    for table in [
        "tenants",
        "deleted_tenants",
        "change_counter",
        "refresh_leases",
        "weekly_limits",
        "clock",
    ] {
        let columns = format!("SELECT name FROM pragma_table_info('{table}') ORDER BY cid");
        let in_sqlite = sqlite.texts(&columns).await;
        let columns = format!(
            "SELECT CAST(column_name AS TEXT) FROM information_schema.columns \
             WHERE table_name = '{table}' ORDER BY ordinal_position"
        );
        let in_postgresql = postgresql.texts(&columns).await;
        assert!(!in_sqlite.is_empty());
        assert_eq!(in_sqlite, in_postgresql, "{table}");
    }
}

#[tokio::test]
async fn no_error_of_opening_shows_the_password() {
    let Some(stores) = Stores::postgresql().await else {
        return;
    };
    let (start, address) = stores.url().rsplit_once('@').unwrap();
    let (start, _) = start.rsplit_once(':').unwrap();
    let (server, database) = address.rsplit_once('/').unwrap();
    for url in [
        format!("{start}:s3cr3tcanary@{server}/{database}"),
        format!("{start}:s3cr3tcanary@127.0.0.1:1/{database}"),
        format!("{start}:s3cr3tcanary@{server}/{database}?sslmode=verify-full"),
        format!(
            "{start}:s3cr3tcanary@{server}/{database}?sslrootcert=/s3cr3tcanary&sslmode=verify-ca"
        ),
        stores.url().replace(database, "missing"),
    ] {
        let url = StoreUrl::parse(&url).unwrap();
        let refused = Store::open(&url, keyring(), Access::Service)
            .await
            .unwrap_err();
        let mut told = format!("{refused} {refused:?}");
        let mut source = refused.source();
        while let Some(error) = source {
            told = format!("{told} {error}");
            source = error.source();
        }
        assert!(!told.contains("s3cr3tcanary"), "{told}");
        assert!(!told.contains("postgresql://"), "{told}");
        assert!(matches!(refused, OpenError::Store(_)), "{told}");
    }
}

#[test]
fn sqlite_is_compiled_as_this_project_wants_it() {
    let connection = rusqlite::Connection::open_in_memory().unwrap();
    let option = "SELECT sqlite_compileoption_used(?)";
    let has = |name: &str| -> bool {
        let used = connection.query_row(option, [name], |row| row.get(0));
        used.unwrap()
    };
    // `.cargo/config.toml`. Whether a commit is flushed without the file's times is no option that
    // can be asked for; it is set in the same line.
    assert!(has("DEFAULT_MEMSTATUS=0"));
    assert!(!has("ENABLE_MEMORY_MANAGEMENT"));
}
