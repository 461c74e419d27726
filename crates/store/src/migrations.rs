//! Migrations of the tables. A new version is a new file in both folders of `migrations/`; released
//! files never change.

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};

use crate::error::{OpenError, StoreError};

/// The number and name of each version, with its statements for SQLite and for PostgreSQL.
const VERSIONS: [(i64, &str, &str, &str); 8] = [
    (
        1,
        "tenants",
        include_str!("../migrations/sqlite/0001_tenants.sql"),
        include_str!("../migrations/postgresql/0001_tenants.sql"),
    ),
    (
        2,
        "ledger",
        include_str!("../migrations/sqlite/0002_ledger.sql"),
        include_str!("../migrations/postgresql/0002_ledger.sql"),
    ),
    (
        3,
        "budgets",
        include_str!("../migrations/sqlite/0003_budgets.sql"),
        include_str!("../migrations/postgresql/0003_budgets.sql"),
    ),
    (
        4,
        "plans",
        include_str!("../migrations/sqlite/0004_plans.sql"),
        include_str!("../migrations/postgresql/0004_plans.sql"),
    ),
    (
        5,
        "order and origin",
        include_str!("../migrations/sqlite/0005_order_and_origin.sql"),
        include_str!("../migrations/postgresql/0005_order_and_origin.sql"),
    ),
    (
        6,
        "accounts",
        include_str!("../migrations/sqlite/0006_accounts.sql"),
        include_str!("../migrations/postgresql/0006_accounts.sql"),
    ),
    (
        7,
        "ledger log",
        include_str!("../migrations/sqlite/0007_ledger_log.sql"),
        include_str!("../migrations/postgresql/0007_ledger_log.sql"),
    ),
    (
        8,
        "weekly limits",
        include_str!("../migrations/sqlite/0008_weekly_limits.sql"),
        include_str!("../migrations/postgresql/0008_weekly_limits.sql"),
    ),
];

pub(crate) fn sqlite() -> Migrator {
    migrator(|(number, name, sqlite, _)| (number, name, sqlite))
}

pub(crate) fn postgresql() -> Migrator {
    migrator(|(number, name, _, postgresql)| (number, name, postgresql))
}

type Version = (i64, &'static str, &'static str, &'static str);

fn migrator(of_kind: fn(Version) -> (i64, &'static str, &'static str)) -> Migrator {
    let migrations = VERSIONS.into_iter().map(of_kind);
    let migrations = migrations.map(|(number, name, statements)| {
        let kind = MigrationType::Simple;
        Migration::new(number, name.into(), kind, statements.into_sql_str(), false)
    });
    Migrator::with_migrations(migrations.collect())
}

/// Migrates the tables to the newest version. Concurrent migrations wait for each other.
///
/// # Errors
///
/// The tables are of a newer version, or a version was applied with other statements.
pub(crate) async fn migrate<C: Migrate>(
    migrator: &Migrator,
    connection: &mut C,
) -> Result<(), OpenError> {
    let run = migrator.run_direct(None, connection, false).await;
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "sqlx may add variants, and the rest get one text"
    )]
    run.map_err(|error| match error {
        MigrateError::VersionMissing(found) => newer(found),
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            StoreError::from(error).into()
        }
        MigrateError::VersionMismatch(_) => OpenError::Migration(
            "a version was applied with other statements than this program has",
        ),
        MigrateError::Dirty(_) => OpenError::Migration("a version was applied only in part"),
        _ => OpenError::Migration("an error of sqlx"),
    })
}

/// Checks that the tables have exactly this program's version.
///
/// # Errors
///
/// They are older, newer, or missing.
pub(crate) async fn check<C: Migrate>(connection: &mut C) -> Result<(), OpenError> {
    let applied = connection.list_applied_migrations(TABLE).await;
    let Ok(applied) = applied else {
        return Err(OpenError::NotMigrated);
    };
    match applied.last() {
        Some(last) if last.version == known() => Ok(()),
        Some(last) if last.version > known() => Err(newer(last.version)),
        Some(_) | None => Err(OpenError::NotMigrated),
    }
}

/// The version of the tables; `None` if there are none.
///
/// # Errors
///
/// They are of a newer version.
pub(crate) async fn version<C: Migrate>(connection: &mut C) -> Result<Option<i64>, OpenError> {
    // It fails if the table is missing, and says nothing that could be told apart.
    let applied = connection.list_applied_migrations(TABLE).await;
    match applied
        .ok()
        .and_then(|applied| applied.last().map(|last| last.version))
    {
        Some(found) if found > known() => Err(newer(found)),
        found => Ok(found),
    }
}

/// The table in which sqlx records applied versions.
const TABLE: &str = "_sqlx_migrations";

/// The newest version.
pub(crate) fn known() -> i64 {
    VERSIONS
        .iter()
        .map(|(number, ..)| *number)
        .max()
        .unwrap_or(0)
}

fn newer(found: i64) -> OpenError {
    let known = known();
    OpenError::Newer { found, known }
}
