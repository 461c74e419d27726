//! What a copy needs to know of a table and its rows.

use sha2::{Digest, Sha256};
use sqlx::postgres::PgRow;
use sqlx::query::Query;
use sqlx::sqlite::SqliteRow;
use sqlx::{Database, FromRow, Postgres, Sqlite};

/// The key of a row; the second part is empty if the table's key has one column. No key is less
/// than the default.
pub(super) type Key = (String, String);

/// Puts the columns of a row into a statement.
pub(super) trait Bind<D: Database> {
    fn bind_to(self, query: Query<'_, D, D::Arguments>) -> Query<'_, D, D::Arguments>;
}

/// A row that is copied as it is.
pub(super) trait Copied:
    Bind<Sqlite>
    + Bind<Postgres>
    + for<'r> FromRow<'r, SqliteRow>
    + for<'r> FromRow<'r, PgRow>
    + Send
    + Sync
    + Unpin
    + 'static
{
    /// What the rows are, for people.
    const WHAT: &'static str;
    const TABLE: &'static str;
    /// Rows in one statement, and in one transaction. SQLite allows 32,766 parameters.
    const PAGE: usize = 2_000;
    /// One or two of the columns, of text.
    const KEYS: &'static [&'static str];
    /// Whether SQLite, too, has the rows in the order of their keys. If not, it is made for a copy.
    const IS_SORTED: bool = true;
    /// The column with the time from which on a row counts as deleted, if there is one.
    const EXPIRY: Option<&'static str> = None;

    fn columns() -> Vec<&'static str>;

    fn key(&self) -> Key;

    /// Tells all columns to the digest.
    fn feed(&self, digest: &mut Sha256);

    /// SHA-256 of all columns.
    fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        self.feed(&mut digest);
        digest.finalize().into()
    }

    /// The condition that a row is behind the key in these two parameters.
    fn behind(one: &str, other: &str) -> String {
        compared(Self::KEYS, ">", one, other)
    }

    /// The condition that a row is not behind it.
    fn up_to(one: &str, other: &str) -> String {
        compared(Self::KEYS, "<=", one, other)
    }

    /// The condition that a row had not expired at the time in this parameter.
    fn live(at: &str) -> String {
        let expiry = Self::EXPIRY.map(|column| format!("{column} > {at}"));
        // It is bound in any case, and has to have a type.
        expiry.unwrap_or_else(|| format!("CAST({at} AS BIGINT) IS NOT NULL"))
    }

    /// The statement for so many rows.
    fn insert(rows: usize, is_numbered: bool) -> String {
        let width = Self::columns().len();
        let place = |number: usize| {
            if is_numbered {
                format!("${number}")
            } else {
                // The library looks numbered ones up one by one, each among those before it.
                "?".to_owned()
            }
        };
        let row = |row: usize| {
            let places = (row * width + 1..).take(width).map(place);
            format!("({})", places.collect::<Vec<_>>().join(", "))
        };
        let places = (0..rows).map(row).collect::<Vec<_>>().join(", ");
        format!(
            "INSERT INTO {} ({}) VALUES {places}",
            Self::TABLE,
            Self::columns().join(", ")
        )
    }
}

fn compared(keys: &[&str], how: &str, one: &str, other: &str) -> String {
    match keys {
        // The second parameter is bound as well.
        [key] => format!("({key} {how} {one} AND {other} = '')"),
        keys => format!("({}) {how} ({one}, {other})", keys.join(", ")),
    }
}
