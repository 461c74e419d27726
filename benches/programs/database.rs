//! A PostgreSQL database for a measurement.

use bitrix24_openlines::testing::settings::Environment;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

/// Names a PostgreSQL server, with a user who may create databases. `.ci/postgres` sets it.
const SERVER: &str = "OPENLINES_TEST_POSTGRES_URL";

/// The URL of a new database. It is gone with the server. `None` without a server.
pub(crate) async fn create() -> Option<String> {
    let server = Environment::of_process().get(SERVER)?.unwrap().to_owned();
    let name = format!("openlines_bench_{}", Uuid::new_v4().simple());
    let mut connection = PgConnection::connect(&server).await.unwrap();
    let create = AssertSqlSafe(format!("CREATE DATABASE {name}"));
    sqlx::query(create).execute(&mut connection).await.unwrap();
    let (start, _) = server.rsplit_once('/').unwrap();
    Some(format!("{start}/{name}"))
}
