//! The plans of tenants, and databases of before there were any.

use bitrix24::{Plan, RateLimit};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{Connection, PgConnection, SqlStr, SqliteConnection};
use store::{Keyring, StoreError};

use crate::destinations::{OLD_ACCESS_TOKEN, OLD_KEY, old_row};
use crate::support::stores::{Stores, change, id, keyring, on_both_stores, webhook};

on_both_stores!(
    every_plan_is_read_as_it_was_stored,
    a_plan_that_nobody_knows_is_no_plan,
    a_database_of_before_plans_keeps_its_tenants,
);

const FIRST_ON_SQLITE: &str = include_str!("../../migrations/sqlite/0001_tenants.sql");
const FIRST_ON_POSTGRESQL: &str = include_str!("../../migrations/postgresql/0001_tenants.sql");

async fn every_plan_is_read_as_it_was_stored(stores: Stores) {
    let store = stores.open(&keyring()).await;
    store.create(&webhook("acme")).await.unwrap();
    let own = |burst, per_second| Some(Plan::Own(RateLimit { burst, per_second }));
    for plan in [
        Some(Plan::Standard),
        own(10_000, 1_000.0),
        Some(Plan::Enterprise),
        own(1, f64::MIN_POSITIVE),
        Some(Plan::Unlimited),
        own(50, 2.0),
        None,
    ] {
        let changed = change(&store, "acme", |tenant| tenant.plan = plan).await;
        assert_eq!(changed.plan, plan);
        let read = store.tenant(&id("acme")).await.unwrap().unwrap();
        assert_eq!(read.plan, plan);
    }
}

async fn a_plan_that_nobody_knows_is_no_plan(stores: Stores) {
    let store = stores.open(&keyring()).await;
    let mut tenant = webhook("acme");
    tenant.plan = Some(Plan::Own(RateLimit {
        burst: 70,
        per_second: 3.0,
    }));
    store.create(&tenant).await.unwrap();
    for (broken, whole) in [
        ("plan_burst = NULL", "plan_burst = 70"),
        ("plan_burst = 0", "plan_burst = 70"),
        ("plan_burst = 10001", "plan_burst = 70"),
        ("plan_per_second = NULL", "plan_per_second = 3"),
        ("plan_per_second = 0", "plan_per_second = 3"),
        ("plan_per_second = 1001", "plan_per_second = 3"),
    ] {
        stores
            .execute(&format!("UPDATE tenants SET {broken}"))
            .await;
        let read = store.tenant(&tenant.id).await;
        let Err(StoreError::Corrupt(told)) = &read else {
            panic!("{broken}: {read:?}")
        };
        let column = broken.split(' ').next().unwrap();
        assert_eq!(*told, format!("{column} of tenant acme"));
        stores.execute(&format!("UPDATE tenants SET {whole}")).await;
        assert!(store.tenant(&tenant.id).await.is_ok());
    }
}

/// Makes the tables as the first version of the program did.
async fn first_version(stores: &Stores) {
    let statements = if stores.is_shared() {
        FIRST_ON_POSTGRESQL
    } else {
        FIRST_ON_SQLITE
    };
    let kind = MigrationType::Simple;
    let statements = SqlStr::from_static(statements);
    let first = Migration::new(1, "tenants".into(), kind, statements, false);
    let migrator = Migrator::with_migrations(vec![first]);
    if stores.is_shared() {
        let mut connection = PgConnection::connect(stores.url()).await.unwrap();
        migrator.run(&mut connection).await.unwrap();
    } else {
        let url = format!("{}?mode=rwc", stores.url());
        let mut connection = SqliteConnection::connect(&url).await.unwrap();
        migrator.run(&mut connection).await.unwrap();
    }
}

async fn a_database_of_before_plans_keeps_its_tenants(stores: Stores) {
    let keyring = Keyring::parse(OLD_KEY).unwrap();
    first_version(&stores).await;
    let tenant = old_row(&stores, "acme", "access_token", OLD_ACCESS_TOKEN);
    assert_eq!(stores.execute(&tenant).await, 1);
    stores
        .execute("UPDATE tenants SET display_name = 'Old', revision = 3, change_number = 5")
        .await;
    let count = "UPDATE change_counter SET last_change = 5";
    assert_eq!(stores.execute(count).await, 1);

    let store = stores.open(&keyring).await;
    let old = store.tenant(&id("acme")).await.unwrap().unwrap();
    assert_eq!((old.display_name.as_str(), old.revision), ("Old", 3));
    assert_eq!(old.plan, None);
    let changed = change(&store, "acme", |tenant| {
        tenant.plan = Some(Plan::Enterprise)
    })
    .await;
    assert_eq!(
        (changed.plan, changed.revision),
        (Some(Plan::Enterprise), 4)
    );
    assert_eq!(store.last_change().await.unwrap(), 6);
    store.create(&webhook("new")).await.unwrap();
    drop(store);
    let store = stores.open(&keyring).await;
    assert_eq!(store.count().await.unwrap().tenants, 2);
}
