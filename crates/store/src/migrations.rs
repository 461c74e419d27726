//! The versions of the tables. A new version is a new file in both folders; a file that was released never changes.

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};

use super::error::{OpenError, StoreError};

/// Number and name of a version, with its statements for SQLite and for PostgreSQL.
const VERSIONS: [(i64, &str, &str, &str); 4] = [
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
];

/// The versions for SQLite.
pub(super) fn sqlite() -> Migrator {
    migrator(|(number, name, sqlite, _)| (number, name, sqlite))
}

/// The versions for PostgreSQL.
pub(super) fn postgresql() -> Migrator {
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

/// Brings the tables to the newest version. Whoever comes at the same time waits.
///
/// # Errors
///
/// The tables are of a newer version, or were changed by somebody else.
pub(super) async fn migrate<C: Migrate>(
    migrator: &Migrator,
    connection: &mut C,
) -> Result<(), OpenError> {
    let run = migrator.run_direct(None, connection, false).await;
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the library may add more, and the rest is told in one way"
    )]
    run.map_err(|error| match error {
        MigrateError::VersionMissing(found) => newer(found),
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            StoreError::from(error).into()
        }
        MigrateError::VersionMismatch(_) => {
            OpenError::Migration("a version was applied with other statements than this program's")
        }
        MigrateError::Dirty(_) => OpenError::Migration("a version was applied in part only"),
        _ => OpenError::Migration("an error of the database library"),
    })
}

/// Checks that the tables are of exactly this program's version.
///
/// # Errors
///
/// They are older, newer, or missing.
pub(super) async fn check<C: Migrate>(connection: &mut C) -> Result<(), OpenError> {
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

/// Where the library notes which versions were applied.
const TABLE: &str = "_sqlx_migrations";

fn known() -> i64 {
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
