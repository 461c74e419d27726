//! Reads and changes tenants.

use jiff::Timestamp;

use bitrix24::{ClientId, MemberId, TenantId};

use crate::changes::{NEXT, tenant_id};
use crate::comparison::{same, same_tokens};
use crate::error::{CreateError, DeleteError, ModifyError, StoreError, UnreadableTenant};
use crate::open::Store;
use crate::pool::{with_connection, with_transaction};
use crate::row::{Row, Version, columns, origin_name, values};
use crate::stored::{Origin, StoredTenant};

/// Numbers of tenants by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All tenants.
    pub tenants: u64,
    /// Disabled tenants.
    pub disabled: u64,
    /// Tenants that need reauthorization.
    pub reauthorization_required: u64,
}

pub(crate) const SELECT_ONE: &str = concat!("SELECT ", columns!(), " FROM tenants WHERE id = $1");

const SELECT_PAGE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM tenants WHERE id > $1 ORDER BY id LIMIT $2"
);

const SELECT_OF_MEMBER: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM tenants WHERE client_id = $1 AND member_id = $2 ORDER BY created_at, id LIMIT 1"
);

const INSERT: &str = concat!(
    "INSERT INTO tenants (",
    columns!(),
    ") VALUES (",
    values!(),
    ") ON CONFLICT (id) DO NOTHING"
);

const UPDATE: &str = concat!(
    "UPDATE tenants SET (",
    columns!(),
    ") = (",
    values!(),
    ") WHERE id = $1"
);

const DELETE: &str = "DELETE FROM tenants WHERE id = $1 RETURNING revision, generation, client_id, member_id, last_event";

/// What [`DELETE`] returns.
type Deleted = (i64, i64, Option<String>, Option<String>, Option<i64>);

const TOMBSTONE: &str = "INSERT INTO deleted_tenants \
     (id, revision, generation, change_number, deleted_at, client_id, member_id, last_event) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";

const LAST_EVENT_OF_DELETED: &str = "SELECT MAX(last_event) FROM deleted_tenants \
     WHERE client_id = $1 AND member_id = $2 AND last_event IS NOT NULL";

const COUNT: &str = "SELECT COUNT(*), COUNT(*) FILTER (WHERE disabled), \
     COUNT(*) FILTER (WHERE reauthorization_since IS NOT NULL) FROM tenants";

impl Store {
    /// Reads a tenant and opens its secrets.
    ///
    /// # Errors
    ///
    /// The database failed, or the secrets do not open.
    pub async fn tenant(&self, id: &TenantId) -> Result<Option<StoredTenant>, StoreError> {
        let row = with_connection!(&self.pool, reading, connection => {
            let query = sqlx::query_as::<_, Row>(SELECT_ONE).bind(id.as_str());
            Ok(query.fetch_optional(connection).await?)
        });
        let row: Option<Row> = self.pool.watch(row).await?;
        row.map(|row| row.open(&self.keyring)).transpose()
    }

    /// Reads at most `limit` tenants after the id `after`, ordered by id. A tenant that cannot be
    /// read is an error of its own and does not hide the others.
    pub async fn tenants(
        &self,
        after: Option<&TenantId>,
        limit: u32,
    ) -> Result<Vec<Result<StoredTenant, UnreadableTenant>>, StoreError> {
        // Every id sorts after the empty text.
        let after = after.map_or("", TenantId::as_str);
        let rows = with_connection!(&self.pool, reading, connection => {
            let query = sqlx::query_as::<_, Row>(SELECT_PAGE);
            let query = query.bind(after).bind(i64::from(limit));
            Ok(query.fetch_all(connection).await?)
        });
        let rows: Vec<Row> = rows.await?;
        rows.iter()
            .map(|row| {
                let id = row.tenant_id()?;
                let opened = row.open(&self.keyring);
                Ok(opened.map_err(|source| UnreadableTenant { id, source }))
            })
            .collect()
    }

    /// Returns the ids of all tenants of this origin.
    pub async fn ids_of(&self, origin: Origin) -> Result<Vec<TenantId>, StoreError> {
        let ids = with_connection!(&self.pool, reading, connection => {
            let query = sqlx::query_scalar("SELECT id FROM tenants WHERE origin = $1 ORDER BY id");
            Ok(query.bind(origin_name(origin)).fetch_all(connection).await?)
        });
        let ids: Vec<String> = ids.await?;
        ids.iter().map(|id| tenant_id(id)).collect()
    }

    /// Finds the tenant of an application on a portal; the oldest, if there are several.
    ///
    /// # Errors
    ///
    /// The database failed, or the secrets do not open.
    pub async fn of_member(
        &self,
        client_id: &ClientId,
        member_id: &MemberId,
    ) -> Result<Option<StoredTenant>, StoreError> {
        let row = with_connection!(&self.pool, reading, connection => {
            let query = sqlx::query_as::<_, Row>(SELECT_OF_MEMBER);
            let query = query.bind(client_id.as_str()).bind(member_id.as_str());
            Ok(query.fetch_optional(connection).await?)
        });
        let row: Option<Row> = row.await?;
        row.map(|row| row.open(&self.keyring)).transpose()
    }

    /// Creates a tenant and returns the stored tenant. The store sets revision, generation and
    /// times.
    ///
    /// For an id that was deleted before, revision and generation continue from their last values,
    /// so the new tenant cannot be mistaken for the old one.
    ///
    /// # Errors
    ///
    /// [`CreateError::AlreadyExists`], [`CreateError::Outdated`], or the database failed.
    pub async fn create(&self, tenant: &StoredTenant) -> Result<StoredTenant, CreateError> {
        let now = Timestamp::now().as_millisecond();
        let id = tenant.id.as_str();
        let created = with_transaction!(&self.pool, transaction => {
            let change_number = sqlx::query_scalar(NEXT).fetch_one(&mut *transaction).await?;
            if let Some(sent_at) = tenant.last_event {
                let application = tenant.application().and_then(|known| known.client_id.as_ref());
                let known = sqlx::query_scalar(LAST_EVENT_OF_DELETED).bind(application.map(ClientId::as_str));
                let known = known.bind(tenant.member_id.as_ref().map(MemberId::as_str));
                let known: Option<i64> = known.fetch_one(&mut *transaction).await?;
                if known.is_some_and(|known| known > sent_at.as_millisecond()) {
                    return Ok(Err(CreateError::Outdated));
                }
            }
            let before = sqlx::query_as("DELETE FROM deleted_tenants WHERE id = $1 RETURNING revision, generation");
            let before = before.bind(id).fetch_optional(&mut *transaction).await?;
            let (revision, generation): (i64, i64) = before.unwrap_or_default();
            let version = Version {
                revision: revision.saturating_add(1),
                generation: generation.saturating_add(1),
                change_number,
                created_at: now,
                updated_at: now,
            };
            let row = Row::seal(tenant, version, &self.keyring)?;
            let stored = row.open(&self.keyring)?;
            let inserted = row.bind(sqlx::query(INSERT)).execute(&mut *transaction).await?;
            if inserted.rows_affected() == 0 {
                return Ok(Err(CreateError::AlreadyExists));
            }
            transaction.commit().await?;
            Ok(Ok(stored))
        });
        created.await?
    }

    /// Changes a tenant in one transaction and returns the stored tenant.
    ///
    /// The store keeps id, revision, times and generation whatever `change` does to them; the
    /// generation grows with a new token pair. Without a difference, nothing is written.
    ///
    /// # Errors
    ///
    /// [`ModifyError::NotFound`], the error of `change`, or the database failed.
    pub async fn modify<E>(
        &self,
        id: &TenantId,
        mut change: impl FnMut(&mut StoredTenant) -> Result<(), E>,
    ) -> Result<StoredTenant, ModifyError<E>> {
        let modified = with_transaction!(&self.pool, transaction => {
            // Locks the counter until the transaction ends, so no other writer changes the row
            // meanwhile.
            let change_number = sqlx::query_scalar(NEXT).fetch_one(&mut *transaction).await?;
            let row = sqlx::query_as::<_, Row>(SELECT_ONE).bind(id.as_str());
            let Some(row) = row.fetch_optional(&mut *transaction).await? else {
                return Ok(Err(ModifyError::NotFound));
            };
            let before = row.open(&self.keyring)?;
            let mut after = before.clone();
            if let Err(refusal) = change(&mut after) {
                return Ok(Err(ModifyError::Refused(refusal)));
            }
            if same(&before, &after) {
                return Ok(Ok(before));
            }
            after.id = before.id.clone();
            let new_tokens = !same_tokens(&before, &after);
            let version = Version {
                revision: row.revision.saturating_add(1),
                generation: row.generation.saturating_add(i64::from(new_tokens)),
                change_number,
                updated_at: Timestamp::now().as_millisecond(),
                ..row.version()
            };
            let row = Row::seal(&after, version, &self.keyring)?;
            let stored = row.open(&self.keyring)?;
            row.bind(sqlx::query(UPDATE)).execute(&mut *transaction).await?;
            transaction.commit().await?;
            Ok(Ok(stored))
        });
        modified.await?
    }

    /// Deletes a tenant; with a revision, only if the tenant still has that revision.
    ///
    /// # Errors
    ///
    /// [`DeleteError::NotFound`], [`DeleteError::Changed`], or the database failed.
    pub async fn delete(&self, id: &TenantId, revision: Option<i64>) -> Result<(), DeleteError> {
        let now = Timestamp::now().as_millisecond();
        let id = id.as_str();
        let deleted = with_transaction!(&self.pool, transaction => {
            let change_number: i64 = sqlx::query_scalar(NEXT).fetch_one(&mut *transaction).await?;
            let found = sqlx::query_as(DELETE).bind(id).fetch_optional(&mut *transaction).await?;
            let Some((found, generation, client_id, member_id, last_event)): Option<Deleted> = found else {
                return Ok(Err(DeleteError::NotFound));
            };
            if revision.is_some_and(|revision| revision != found) {
                return Ok(Err(DeleteError::Changed));
            }
            let tombstone = sqlx::query(TOMBSTONE).bind(id).bind(found).bind(generation);
            let tombstone = tombstone.bind(change_number).bind(now);
            let tombstone = tombstone.bind(client_id).bind(member_id).bind(last_event);
            tombstone.execute(&mut *transaction).await?;
            let lease = sqlx::query("DELETE FROM refresh_leases WHERE tenant_id = $1").bind(id);
            lease.execute(&mut *transaction).await?;
            transaction.commit().await?;
            Ok(Ok(()))
        });
        deleted.await?
    }

    /// Counts tenants by state.
    pub async fn count(&self) -> Result<Counts, StoreError> {
        let counted = with_connection!(&self.pool, reading, connection => {
            Ok(sqlx::query_as(COUNT).fetch_one(connection).await?)
        });
        let (tenants, disabled, waiting): (i64, i64, i64) = counted.await?;
        let number = |count: i64| u64::try_from(count).unwrap_or_default();
        Ok(Counts {
            tenants: number(tenants),
            disabled: number(disabled),
            reauthorization_required: number(waiting),
        })
    }
}
