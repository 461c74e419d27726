//! Who may refresh a tenant's tokens: one at a time, over all replicas.

use std::time::Duration;

use uuid::Uuid;

use super::Store;
use super::error::StoreError;
use super::pool::with_connection;
use super::row::Row;
use super::tenants::SELECT_ONE;
use crate::stored::StoredTenant;
use bitrix24::TenantId;

/// The longest lease, in milliseconds: an hour, above anything that makes sense, so that no sum overflows.
const LONGEST: i64 = 3_600_000;

/// The answer to who asks for the right to refresh.
#[derive(Clone, Debug)]
pub enum Lease {
    /// The right is the asker's; this is the tenant as it is stored now.
    Taken(Box<StoredTenant>),
    /// The same; the owner before has neither given the right back nor kept it up. It may still be at work.
    TakenOver(Box<StoredTenant>),
    /// Somebody else has it.
    Held,
    /// There is nothing to refresh any more: the tokens are already of another generation.
    Superseded(Box<StoredTenant>),
    /// The tenant was deleted.
    Gone,
}

/// Takes a lease that is free, or expired, or the owner's already. The condition behind `TRUE` keeps SQLite from reading
/// `ON CONFLICT` as part of a join.
const TAKE: &str = "INSERT INTO refresh_leases (tenant_id, owner, expires_at) \
     SELECT $1, $2, now_milliseconds + $3 FROM clock WHERE TRUE \
     ON CONFLICT (tenant_id) DO UPDATE SET owner = excluded.owner, expires_at = excluded.expires_at \
     WHERE refresh_leases.owner = excluded.owner \
     OR refresh_leases.expires_at <= (SELECT now_milliseconds FROM clock)";

const OWNER: &str = "SELECT owner FROM refresh_leases WHERE tenant_id = $1";

const RENEW: &str = "UPDATE refresh_leases SET expires_at = (SELECT now_milliseconds FROM clock) + $3 \
     WHERE tenant_id = $1 AND owner = $2";

const RELEASE: &str = "DELETE FROM refresh_leases WHERE tenant_id = $1 AND owner = $2";

impl Store {
    /// Asks for the right to refresh a tenant's tokens of this generation, for a time by the database's clock.
    ///
    /// Whoever gets it sees what every owner before has stored.
    ///
    /// # Errors
    ///
    /// The database, or secrets that do not open. The right was not taken, or expires.
    pub async fn lease_refresh(
        &self,
        id: &TenantId,
        generation: i64,
        owner: Uuid,
        for_: Duration,
    ) -> Result<Lease, StoreError> {
        let leased = with_connection!(&self.pool, writing, connection => {
            let owner_before = sqlx::query_scalar(OWNER).bind(id.as_str());
            let owner_before: Option<String> = owner_before.fetch_optional(&mut *connection).await?;
            let is_abandoned = owner_before.is_some_and(|before| before != owner.to_string());
            let take = sqlx::query(TAKE).bind(id.as_str()).bind(owner.to_string());
            let taken = take.bind(milliseconds(for_)).execute(&mut *connection).await?;
            if taken.rows_affected() == 0 {
                return Ok(Lease::Held);
            }
            // Read behind the lease: what the owner before has stored is visible now.
            let row = sqlx::query_as::<_, Row>(SELECT_ONE).bind(id.as_str());
            let row = row.fetch_optional(&mut *connection).await?;
            let tenant = row.map(|row| row.open(&self.keyring)).transpose();
            if let Ok(Some(tenant)) = &tenant
                && tenant.application().is_some_and(|known| known.generation == generation)
            {
                let tenant = Box::new(tenant.clone());
                return Ok(if is_abandoned {
                    Lease::TakenOver(tenant)
                } else {
                    Lease::Taken(tenant)
                });
            }
            let release = sqlx::query(RELEASE).bind(id.as_str()).bind(owner.to_string());
            release.execute(&mut *connection).await?;
            Ok(match tenant? {
                Some(tenant) => Lease::Superseded(Box::new(tenant)),
                None => Lease::Gone,
            })
        });
        leased.await
    }

    /// Prolongs a lease. False if somebody else has it meanwhile: then nothing may be stored in its name.
    ///
    /// # Errors
    ///
    /// The database.
    pub async fn renew_lease(
        &self,
        id: &TenantId,
        owner: Uuid,
        for_: Duration,
    ) -> Result<bool, StoreError> {
        let renewed = with_connection!(&self.pool, writing, connection => {
            let renew = sqlx::query(RENEW).bind(id.as_str()).bind(owner.to_string());
            Ok(renew.bind(milliseconds(for_)).execute(connection).await?.rows_affected())
        });
        Ok(renewed.await? > 0)
    }

    /// Gives a lease back. One that is somebody else's by now stays with them.
    ///
    /// # Errors
    ///
    /// The database; the lease expires by itself.
    pub async fn release_lease(&self, id: &TenantId, owner: Uuid) -> Result<(), StoreError> {
        let released = with_connection!(&self.pool, writing, connection => {
            let release = sqlx::query(RELEASE).bind(id.as_str()).bind(owner.to_string());
            release.execute(connection).await?;
            Ok(())
        });
        released.await
    }
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).map_or(LONGEST, |duration| duration.min(LONGEST))
}
