//! Which keys seal the store, and how it gets under another one.

use super::Store;
use super::error::{StoreError, UnreadableTenant};
use super::pool::{with_connection, with_transaction};
use super::row::{Row, columns};
use crate::sealing::KeyId;

/// What [`Store::reseal`] has done.
#[derive(Debug, Default)]
pub struct Resealed {
    /// Tenants whose secrets were sealed anew.
    pub tenants: u64,
    /// Secrets that were sealed anew.
    pub values: u64,
    /// Tenants that somebody else changed at the same moment; what they wrote counts, so ask again.
    pub changed_meanwhile: u64,
    /// Tenants that cannot be read. They stay under the key that they are under.
    pub unreadable: Vec<UnreadableTenant>,
}

/// Tenants that are sealed anew at once.
const PAGE: i64 = 100;

const SELECT_SEALED_OTHERWISE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM tenants WHERE sealing_key <> $1 AND id > $2 ORDER BY id LIMIT $3"
);

/// Nothing but the seals changes: no replica needs to hear of it.
const RESEAL: &str = "UPDATE tenants SET (webhook_secret, client_secret, application_token, access_token, refresh_token, \
     sealing_key) = ($3, $4, $5, $6, $7, $8) WHERE id = $1 AND revision = $2";

const KEY_USE: &str = "SELECT sealing_key, CAST(SUM(sealed_values) AS BIGINT) FROM tenants \
     WHERE sealing_key IS NOT NULL GROUP BY sealing_key ORDER BY sealing_key";

impl Store {
    /// The keys that seal something, and how many secrets each.
    ///
    /// # Errors
    ///
    /// The database.
    pub async fn key_use(&self) -> Result<Vec<(KeyId, u64)>, StoreError> {
        let rows = with_connection!(&self.pool, reading, connection => {
            Ok(sqlx::query_as(KEY_USE).fetch_all(connection).await?)
        });
        let rows: Vec<(String, i64)> = rows.await?;
        rows.into_iter()
            .map(|(id, values)| KeyId::parse(&id).zip(u64::try_from(values).ok()))
            .collect::<Option<_>>()
            .ok_or_else(|| StoreError::Corrupt("the id of a sealing key".to_owned()))
    }

    /// Seals with the keyring's first key what is sealed with another one, beside running services.
    ///
    /// # Errors
    ///
    /// The database. What was done until then is done.
    pub async fn reseal(&self) -> Result<Resealed, StoreError> {
        let keyring = self.keyring.of_this_moment();
        let first = keyring.first();
        let mut done = Resealed::default();
        let mut after = String::new();
        loop {
            let rows = self.sealed_otherwise(&first, &after).await?;
            let Some(last) = rows.last() else {
                return Ok(done);
            };
            after.clone_from(&last.id);
            let mut sealed = Vec::new();
            for row in &rows {
                match row.open(&keyring) {
                    Ok(tenant) => sealed.push(Row::seal(&tenant, row.version(), &keyring)?),
                    Err(source) => {
                        let id = row.tenant_id()?;
                        done.unreadable.push(UnreadableTenant { id, source });
                    }
                }
            }
            self.replace_seals(&sealed, &mut done).await?;
        }
    }

    async fn sealed_otherwise(&self, first: &KeyId, after: &str) -> Result<Vec<Row>, StoreError> {
        let rows = with_connection!(&self.pool, reading, connection => {
            let query = sqlx::query_as::<_, Row>(SELECT_SEALED_OTHERWISE);
            let query = query.bind(first.as_str()).bind(after).bind(PAGE);
            Ok(query.fetch_all(connection).await?)
        });
        rows.await
    }

    /// A page in one transaction: each has its price, and a service on the same file waits for each.
    async fn replace_seals(&self, rows: &[Row], done: &mut Resealed) -> Result<(), StoreError> {
        let replaced = with_transaction!(&self.pool, transaction => {
            let mut replaced = Vec::new();
            for row in rows {
                let query = sqlx::query(RESEAL)
                    .bind(&row.id)
                    .bind(row.revision)
                    .bind(&row.webhook_secret)
                    .bind(&row.client_secret)
                    .bind(&row.application_token)
                    .bind(&row.access_token)
                    .bind(&row.refresh_token)
                    .bind(&row.sealing_key);
                let touched = query.execute(&mut *transaction).await?.rows_affected();
                replaced.push((touched > 0).then_some(row.sealed_values));
            }
            transaction.commit().await?;
            Ok(replaced)
        });
        for values in replaced.await? {
            match values {
                Some(values) => {
                    let values = u64::try_from(values).unwrap_or_default();
                    done.tenants = done.tenants.saturating_add(1);
                    done.values = done.values.saturating_add(values);
                }
                None => done.changed_meanwhile = done.changed_meanwhile.saturating_add(1),
            }
        }
        Ok(())
    }
}
