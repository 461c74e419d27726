//! What has changed since, for replicas that keep copies.

use super::Store;
use super::error::StoreError;
use super::pool::with_connection;
use bitrix24::TenantId;

/// What has changed since some change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// The last change among these; where to ask from next time.
    pub up_to: i64,
    /// Tenants that were created, changed or deleted, in the order of their last change, each once.
    pub ids: Vec<TenantId>,
}

/// Takes the next number. The row stays locked until the end of the transaction, so that a number is visible only when
/// all lower ones are.
pub(super) const NEXT: &str =
    "UPDATE change_counter SET last_change = last_change + 1 RETURNING last_change";

const SINCE: &str = "SELECT id, change_number FROM tenants WHERE change_number > $1 \
     UNION ALL SELECT id, change_number FROM deleted_tenants WHERE change_number > $1 \
     ORDER BY change_number LIMIT $2";

impl Store {
    /// The number of the last change; 0 if there was none.
    ///
    /// # Errors
    ///
    /// The database.
    pub async fn last_change(&self) -> Result<i64, StoreError> {
        let last = with_connection!(&self.pool, reading, connection => {
            let query = sqlx::query_scalar("SELECT last_change FROM change_counter");
            Ok(query.fetch_one(connection).await?)
        });
        last.await
    }

    /// The next changes behind `change`, at most `limit`.
    ///
    /// # Errors
    ///
    /// The database.
    pub async fn changes_since(&self, change: i64, limit: u32) -> Result<Changes, StoreError> {
        let rows = with_connection!(&self.pool, reading, connection => {
            let query = sqlx::query_as(SINCE).bind(change).bind(i64::from(limit));
            Ok(query.fetch_all(connection).await?)
        });
        let rows: Vec<(String, i64)> = rows.await?;
        let up_to = rows.last().map_or(change, |(_, number)| *number);
        let ids = rows.iter().map(|(id, _)| TenantId::parse(id));
        let ids = ids.collect::<Result<_, _>>();
        let ids = ids.map_err(|_| StoreError::Corrupt("the id of a tenant".to_owned()))?;
        Ok(Changes { up_to, ids })
    }
}
