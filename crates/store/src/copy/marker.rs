//! The table that says that a target is not a whole store yet. It is there from the first row of a
//! copy to the end of its comparison, and services do not start as long as it is.

use super::CopyError;
use super::side::Side;
use crate::error::{OpenError, StoreError};
use crate::open::Store;
use crate::pool::{Pool, with_connection, with_transaction};

const CREATE: &str = "CREATE TABLE store_copy (source TEXT NOT NULL)";

const IS_THERE_SQLITE: &str =
    "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = 'store_copy'";

const IS_THERE_POSTGRESQL: &str =
    "SELECT COUNT(*) FROM pg_class WHERE oid = to_regclass('store_copy')";

/// Rows that only a store in use has.
const USED: &str = "SELECT (SELECT COUNT(*) FROM tenants) + (SELECT COUNT(*) FROM deleted_tenants) \
     + (SELECT COUNT(*) FROM refresh_leases) + (SELECT COUNT(*) FROM ledger) \
     + (SELECT COUNT(*) FROM weekly_limits) + (SELECT last_change FROM change_counter)";

/// Marks an empty target, or finds the mark of a copy from the same source, which was broken off:
/// then this is true.
pub(super) async fn begin(from: &Side, to: &Side) -> Result<bool, CopyError> {
    let unwritten = |error| to.unwritten(error);
    let name = from.name.clone();
    if is_there(&to.pool).await.map_err(unwritten)? {
        let marked = with_connection!(&to.pool, reading, connection => {
            let query = sqlx::query_scalar("SELECT source FROM store_copy");
            Ok(query.fetch_optional(connection).await?)
        });
        let marked: Option<String> = marked.await.map_err(unwritten)?;
        return match marked {
            Some(marked) if marked != name => Err(CopyError::OtherSource {
                to: to.name.clone(),
                from: marked,
            }),
            Some(_) | None => Ok(true),
        };
    }
    let marked = with_transaction!(&to.pool, transaction => {
        let used: i64 = sqlx::query_scalar(USED).fetch_one(&mut *transaction).await?;
        if used > 0 {
            return Ok(false);
        }
        sqlx::query(CREATE).execute(&mut *transaction).await?;
        let insert = sqlx::query("INSERT INTO store_copy (source) VALUES ($1)").bind(&name);
        insert.execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(true)
    });
    if marked.await.map_err(unwritten)? {
        Ok(false)
    } else {
        Err(CopyError::NotEmpty(to.name.clone()))
    }
}

/// The target is a store from now on.
pub(super) async fn end(to: &Side) -> Result<(), CopyError> {
    let dropped = with_connection!(&to.pool, writing, connection => {
        sqlx::query("DROP TABLE store_copy").execute(connection).await?;
        Ok(())
    });
    dropped.await.map_err(|error| to.unwritten(error))
}

async fn is_there(pool: &Pool) -> Result<bool, StoreError> {
    let statement = match pool {
        Pool::Sqlite(_) => IS_THERE_SQLITE,
        Pool::Postgresql(_) => IS_THERE_POSTGRESQL,
    };
    let counted = with_connection!(pool, reading, connection => {
        Ok(sqlx::query_scalar(statement).fetch_one(connection).await?)
    });
    let counted: i64 = counted.await?;
    Ok(counted > 0)
}

impl Store {
    /// Refuses a store that a copy has not filled to its end.
    pub(crate) async fn is_whole(&self) -> Result<(), OpenError> {
        if is_there(&self.pool).await? {
            Err(OpenError::HalfCopied)
        } else {
            Ok(())
        }
    }
}
