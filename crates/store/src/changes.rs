//! The feed of tenant changes, for replicas that cache tenants.

use bitrix24::TenantId;

use crate::error::StoreError;
use crate::open::Store;
use crate::pool::with_connection;

/// A page of changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// The number of the last change on this page; pass it to the next [`Store::changes_since`].
    pub up_to: i64,
    /// Tenants that were created, changed or deleted, ordered by their last change, each once.
    pub ids: Vec<TenantId>,
}

/// Takes the next change number. The row stays locked until the transaction ends, so a number
/// becomes visible only after all lower ones.
pub(crate) const NEXT: &str =
    "UPDATE change_counter SET last_change = last_change + 1 RETURNING last_change";

const SINCE: &str = "SELECT id, change_number FROM tenants WHERE change_number > $1 \
     UNION ALL SELECT id, change_number FROM deleted_tenants WHERE change_number > $1 \
     ORDER BY change_number LIMIT $2";

impl Store {
    /// Returns the number of the last change; 0 if there was none.
    pub async fn last_change(&self) -> Result<i64, StoreError> {
        let last = with_connection!(&self.pool, reading, connection => {
            let query = sqlx::query_scalar("SELECT last_change FROM change_counter");
            Ok(query.fetch_one(connection).await?)
        });
        last.await
    }

    /// Returns at most `limit` changes after the change with this number.
    pub async fn changes_since(&self, change: i64, limit: u32) -> Result<Changes, StoreError> {
        let rows = with_connection!(&self.pool, reading, connection => {
            let query = sqlx::query_as(SINCE).bind(change).bind(i64::from(limit));
            Ok(query.fetch_all(connection).await?)
        });
        let rows: Vec<(String, i64)> = rows.await?;
        let up_to = rows.last().map_or(change, |(_, number)| *number);
        let ids = rows.iter().map(|(id, _)| tenant_id(id));
        let ids = ids.collect::<Result<_, _>>()?;
        Ok(Changes { up_to, ids })
    }
}

/// Parses a tenant id of a row.
pub(crate) fn tenant_id(text: &str) -> Result<TenantId, StoreError> {
    TenantId::parse(text).map_err(|_| StoreError::Corrupt("the id of a tenant".to_owned()))
}
