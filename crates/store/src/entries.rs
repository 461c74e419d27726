//! Applies entries of the tenants file in groups: one transaction and a few statements for many
//! tenants, because a round trip for each would take minutes for a file of 50,000.

use std::collections::HashMap;

use jiff::Timestamp;
use sqlx::AssertSqlSafe;

use crate::comparison::same_tokens;
use crate::error::StoreError;
use crate::open::Store;
use crate::pool::{with_connection, with_transaction};
use crate::row::{Row, Version, columns};
use crate::stored::StoredTenant;

/// How many entries [`Store::apply_entries`] should get at once. Both databases limit the
/// parameters of a statement, SQLite to 32,766; and other writers wait for a group.
pub const ENTRIES_IN_GROUP: usize = 250;

/// How many rows a statement writes. Equal statements are parsed once.
const ROWS_IN_STATEMENT: usize = 25;

/// How an entry was applied.
#[derive(Debug)]
pub enum Applied {
    /// There was no such tenant.
    Created,
    /// The tenant was changed.
    Updated,
    /// The same entry was applied before.
    Unchanged,
    /// The tenant cannot be read, so it stays as it is.
    Unreadable(StoreError),
}

/// Takes change numbers for many tenants. The row stays locked, as for one.
const NEXT_NUMBERS: &str =
    "UPDATE change_counter SET last_change = last_change + $1 RETURNING last_change";

/// What the store has of the tenants of a group.
struct Known {
    rows: HashMap<String, Row>,
    /// Revision and generation of deleted ones.
    deleted: HashMap<String, (i64, i64)>,
}

impl Store {
    /// Applies entries whose fingerprint is not that of the tenant, in one transaction: creates
    /// missing tenants, and lets `change` change existing ones (first the tenant, then the entry).
    /// Returns for each entry how it was applied. Give at most [`ENTRIES_IN_GROUP`], with distinct
    /// ids.
    ///
    /// # Errors
    ///
    /// The database failed; nothing was applied.
    pub async fn apply_entries(
        &self,
        entries: &[StoredTenant],
        change: impl Fn(&mut StoredTenant, &StoredTenant),
    ) -> Result<Vec<Applied>, StoreError> {
        let known = self.fingerprints(entries).await?;
        let is_new = |entry: &StoredTenant| {
            let known = known.get(entry.id.as_str()).map(Option::as_deref);
            known.is_none_or(|known| known != fingerprint(entry))
        };
        let changed: Vec<_> = entries.iter().filter(|entry| is_new(entry)).collect();
        let mut applied = self.apply_changed(&changed, change).await?.into_iter();
        let how = entries.iter().map(|entry| {
            let how = is_new(entry).then(|| applied.next()).flatten();
            how.unwrap_or(Applied::Unchanged)
        });
        Ok(how.collect())
    }

    /// The fingerprints that were applied last, of the tenants that exist.
    async fn fingerprints(
        &self,
        entries: &[StoredTenant],
    ) -> Result<HashMap<String, Option<Vec<u8>>>, StoreError> {
        let places = self.parameters(1, entries.len());
        let select = format!("SELECT id, file_fingerprint FROM tenants WHERE id IN ({places})");
        let rows = with_connection!(&self.pool, reading, connection => {
            let mut query = sqlx::query_as(AssertSqlSafe(select.clone())).persistent(false);
            for entry in entries {
                query = query.bind(entry.id.as_str());
            }
            Ok(query.fetch_all(connection).await?)
        });
        let rows: Vec<(String, Option<Vec<u8>>)> = rows.await?;
        Ok(rows.into_iter().collect())
    }

    async fn apply_changed(
        &self,
        entries: &[&StoredTenant],
        change: impl Fn(&mut StoredTenant, &StoredTenant),
    ) -> Result<Vec<Applied>, StoreError> {
        let count = i64::try_from(entries.len()).unwrap_or(i64::MAX);
        if count == 0 {
            return Ok(Vec::new());
        }
        let places = self.parameters(1, entries.len());
        let select = format!("SELECT {} FROM tenants WHERE id IN ({places})", columns!());
        let forget = format!(
            "DELETE FROM deleted_tenants WHERE id IN ({places}) RETURNING id, revision, generation"
        );
        let applied = with_transaction!(&self.pool, transaction => {
            // Locks the counter until the transaction ends, as every change of a tenant does.
            let numbers = sqlx::query_scalar(NEXT_NUMBERS).bind(count);
            let last: i64 = numbers.fetch_one(&mut *transaction).await?;
            let mut query = sqlx::query_as::<_, Row>(AssertSqlSafe(select.clone())).persistent(false);
            let mut gone = sqlx::query_as(AssertSqlSafe(forget.clone())).persistent(false);
            for entry in entries {
                query = query.bind(entry.id.as_str());
                gone = gone.bind(entry.id.as_str());
            }
            let rows: Vec<Row> = query.fetch_all(&mut *transaction).await?;
            let gone: Vec<(String, i64, i64)> = gone.fetch_all(&mut *transaction).await?;
            let first = last.saturating_sub(count).saturating_add(1);
            let (rows, applied) = self.rows_of(entries, Known::of(rows, gone), first, &change)?;
            if rows.is_empty() {
                return Ok(applied);
            }
            let mut rows = rows;
            while !rows.is_empty() {
                let rest = rows.split_off(rows.len().min(ROWS_IN_STATEMENT));
                let mut query = sqlx::query(AssertSqlSafe(self.upsert(rows.len())));
                for row in std::mem::replace(&mut rows, rest) {
                    query = row.bind(query);
                }
                query.execute(&mut *transaction).await?;
            }
            transaction.commit().await?;
            Ok(applied)
        });
        applied.await
    }

    /// So many parameters from this number on. `SQLite` gives numbered ones a name, and the library
    /// looks up the name of each among those before it, so they would cost the square of their
    /// number.
    fn parameters(&self, first: usize, count: usize) -> String {
        let is_numbered = self.is_shared();
        let places = (first..).take(count).map(|number| {
            if is_numbered {
                format!("${number}")
            } else {
                "?".to_owned()
            }
        });
        places.collect::<Vec<_>>().join(", ")
    }

    /// Writes so many rows, in the place of those with the same ids.
    fn upsert(&self, rows: usize) -> String {
        let width = columns!().split(", ").count();
        let places = (0..rows).map(|row| format!("({})", self.parameters(row * width + 1, width)));
        let places: Vec<_> = places.collect();
        let written = columns!()
            .split(", ")
            .map(|column| format!("excluded.{column}"));
        let written: Vec<_> = written.collect();
        format!(
            "INSERT INTO tenants ({columns}) VALUES {places} ON CONFLICT (id) DO UPDATE SET ({columns}) = ({written})",
            columns = columns!(),
            places = places.join(", "),
            written = written.join(", "),
        )
    }

    /// The rows to be written, and how each entry is applied by them.
    fn rows_of(
        &self,
        entries: &[&StoredTenant],
        mut known: Known,
        first_number: i64,
        change: &impl Fn(&mut StoredTenant, &StoredTenant),
    ) -> Result<(Vec<Row>, Vec<Applied>), StoreError> {
        let now = Timestamp::now().as_millisecond();
        let mut rows = Vec::new();
        let mut applied = Vec::new();
        for (change_number, entry) in (first_number..).zip(entries) {
            let id = entry.id.as_str();
            let Some(row) = known.rows.remove(id) else {
                let (revision, generation) = known.deleted.remove(id).unwrap_or_default();
                let version = Version {
                    revision: revision.saturating_add(1),
                    generation: generation.saturating_add(1),
                    change_number,
                    created_at: now,
                    updated_at: now,
                };
                rows.push(Row::seal(entry, version, &self.keyring)?);
                applied.push(Applied::Created);
                continue;
            };
            // Another replica applied the same entry meanwhile.
            if row.file_fingerprint.as_deref() == fingerprint(entry) {
                applied.push(Applied::Unchanged);
                continue;
            }
            let before = match row.open(&self.keyring) {
                Ok(before) => before,
                Err(error) => {
                    applied.push(Applied::Unreadable(error));
                    continue;
                }
            };
            let mut after = before.clone();
            change(&mut after, entry);
            after.id.clone_from(&before.id);
            let new_tokens = !same_tokens(&before, &after);
            let version = Version {
                revision: row.revision.saturating_add(1),
                generation: row.generation.saturating_add(i64::from(new_tokens)),
                change_number,
                updated_at: now,
                ..row.version()
            };
            rows.push(Row::seal(&after, version, &self.keyring)?);
            applied.push(Applied::Updated);
        }
        Ok((rows, applied))
    }
}

impl Known {
    fn of(rows: Vec<Row>, deleted: Vec<(String, i64, i64)>) -> Self {
        let deleted = deleted.into_iter();
        Self {
            rows: rows.into_iter().map(|row| (row.id.clone(), row)).collect(),
            deleted: deleted
                .map(|(id, revision, generation)| (id, (revision, generation)))
                .collect(),
        }
    }
}

fn fingerprint(entry: &StoredTenant) -> Option<&[u8]> {
    entry.file_fingerprint.as_ref().map(<[u8; 32]>::as_slice)
}
