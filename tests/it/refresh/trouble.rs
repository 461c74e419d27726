//! A store that does not do what it is asked.

use sqlx::{Connection, PgConnection, SqliteConnection};

use crate::support::stores::Stores;

/// Nobody else can write while it is held.
pub(super) enum Lock {
    Sqlite(SqliteConnection),
    Postgresql(PgConnection),
}

pub(super) async fn lock_for_writing(stores: &Stores) -> Lock {
    if stores.is_shared() {
        let mut connection = PgConnection::connect(stores.url()).await.unwrap();
        let lock = "BEGIN; LOCK TABLE tenants, change_counter, refresh_leases IN EXCLUSIVE MODE";
        sqlx::raw_sql(lock).execute(&mut connection).await.unwrap();
        Lock::Postgresql(connection)
    } else {
        let mut connection = SqliteConnection::connect(stores.url()).await.unwrap();
        let lock = sqlx::raw_sql("BEGIN IMMEDIATE");
        lock.execute(&mut connection).await.unwrap();
        Lock::Sqlite(connection)
    }
}

impl Lock {
    pub(super) async fn release(self) {
        match self {
            Self::Sqlite(connection) => connection.close().await.unwrap(),
            Self::Postgresql(connection) => connection.close().await.unwrap(),
        }
    }
}

/// From now on the store fails whenever it is asked for a tenant.
pub(super) async fn take_away(stores: &Stores) {
    stores
        .execute("ALTER TABLE tenants RENAME TO tenants_away")
        .await;
}
