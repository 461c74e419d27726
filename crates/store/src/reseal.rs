//! Re-sealing: which keys are in use, and replacing one.

use crate::error::{StoreError, UnreadableTenant};
use crate::key_text::KeyId;
use crate::open::Store;
use crate::pool::{with_connection, with_transaction};
use crate::row::{Row, columns};
use crate::sealing::{Forms, Keyring};

/// The result of [`Store::reseal`].
#[derive(Debug, Default)]
pub struct Resealed {
    /// Tenants that were re-sealed.
    pub tenants: u64,
    /// Secrets that were re-sealed.
    pub values: u64,
    /// Tenants that a service changed concurrently and that were skipped; call again.
    pub changed_meanwhile: u64,
    /// Tenants that cannot be read. They stay unchanged.
    pub unreadable: Vec<UnreadableTenant>,
}

/// Tenants per transaction.
const PAGE: i64 = 100;

const SELECT_SEALED_OTHERWISE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM tenants WHERE (sealing_key <> $1 OR sealed_form = 1) AND id > $2 ORDER BY id LIMIT $3"
);

const SELECT_OF_FIRST_FORM: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM tenants WHERE sealed_form = 1 AND id > $1 ORDER BY id LIMIT $2"
);

/// Only the seals change, so this is not a change that replicas must learn of.
const RESEAL: &str = "UPDATE tenants SET (webhook_secret, client_secret, application_token, access_token, refresh_token, \
     sealing_key, sealed_form, witness) = ($3, $4, $5, $6, $7, $8, $9, $10) WHERE id = $1 AND revision = $2";

const KEY_USE: &str = "SELECT sealing_key, CAST(SUM(sealed_values) AS BIGINT) FROM tenants \
     WHERE sealing_key IS NOT NULL GROUP BY sealing_key ORDER BY sealing_key";

impl Store {
    /// Returns the keys in use with the number of secrets that each one seals.
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

    /// Re-seals secrets that older keys sealed with the keyring's first key. Safe beside running
    /// services.
    ///
    /// # Errors
    ///
    /// The database failed. Tenants that were re-sealed before stay so.
    pub async fn reseal(&self) -> Result<Resealed, StoreError> {
        self.reseal_with(|_| ()).await
    }

    /// The same, and tells how far it is.
    ///
    /// # Errors
    ///
    /// As those of [`reseal`](Self::reseal).
    pub async fn reseal_with(
        &self,
        mut told: impl FnMut(&Resealed),
    ) -> Result<Resealed, StoreError> {
        let keyring = self.keyring.snapshot();
        let first = keyring.first();
        let mut done = Resealed::default();
        let mut after = String::new();
        loop {
            let rows = self.sealed_otherwise(&first, &after).await?;
            let Some(last) = rows.last() else {
                return Ok(done);
            };
            after.clone_from(&last.id);
            self.reseal_page(&rows, &keyring, &mut done).await?;
            told(&done);
        }
    }

    /// Re-seals secrets of the form before, once: they say nothing of their destination, so nothing
    /// else opens them.
    pub(crate) async fn reseal_first_form(&self) -> Result<(), StoreError> {
        let keyring = self.keyring.snapshot();
        let mut done = Resealed::default();
        let mut after = String::new();
        loop {
            let rows = self.of_first_form(&after).await?;
            let Some(last) = rows.last() else {
                return Ok(());
            };
            after.clone_from(&last.id);
            self.reseal_page(&rows, &keyring, &mut done).await?;
        }
    }

    async fn reseal_page(
        &self,
        rows: &[Row],
        keyring: &Keyring,
        done: &mut Resealed,
    ) -> Result<(), StoreError> {
        let mut sealed = Vec::new();
        for row in rows {
            match row.open_forms(keyring, Forms::All) {
                Ok(tenant) => sealed.push(Row::seal(&tenant, row.version(), keyring)?),
                Err(source) => {
                    let id = row.tenant_id()?;
                    done.unreadable.push(UnreadableTenant { id, source });
                }
            }
        }
        self.replace_seals(&sealed, done).await
    }

    async fn of_first_form(&self, after: &str) -> Result<Vec<Row>, StoreError> {
        let rows = with_connection!(&self.pool, reading, connection => {
            let query = sqlx::query_as::<_, Row>(SELECT_OF_FIRST_FORM).bind(after).bind(PAGE);
            Ok(query.fetch_all(connection).await?)
        });
        rows.await
    }

    async fn sealed_otherwise(&self, first: &KeyId, after: &str) -> Result<Vec<Row>, StoreError> {
        let rows = with_connection!(&self.pool, reading, connection => {
            let query = sqlx::query_as::<_, Row>(SELECT_SEALED_OTHERWISE);
            let query = query.bind(first.as_str()).bind(after).bind(PAGE);
            Ok(query.fetch_all(connection).await?)
        });
        rows.await
    }

    /// One transaction per page, because a service on the same file waits for every transaction.
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
                    .bind(&row.sealing_key)
                    .bind(row.sealed_form)
                    .bind(&row.witness);
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
