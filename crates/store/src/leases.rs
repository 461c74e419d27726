//! Leases on refreshing a tenant's tokens: one owner at a time among all replicas.

use std::time::Duration;

use bitrix24::TenantId;
use uuid::Uuid;

use crate::error::StoreError;
use crate::open::Store;
use crate::pool::{milliseconds, with_connection};
use crate::row::Row;
use crate::stored::StoredTenant;
use crate::tenants::SELECT_ONE;

/// The longest lease. Far above any sensible value, so that sums cannot overflow.
const LONGEST: Duration = Duration::from_hours(1);

/// The result of asking for a refresh lease.
#[derive(Clone, Debug)]
pub enum RefreshLease {
    /// The lease is acquired.
    Acquired {
        /// The tenant as it is stored now.
        tenant: Box<StoredTenant>,
        /// How the refresh before of the same tokens ended.
        previous: Previous,
    },
    /// Another owner holds the lease.
    Held,
    /// Nothing to refresh: the stored tokens are of another generation, or there are none.
    Superseded(Box<StoredTenant>),
    /// The tenant does not exist.
    Gone,
}

/// How the refresh before of the same token pair ended, as far as its lease tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Previous {
    /// There was none, or nothing is open.
    Settled,
    /// Its lease expired without being released: the owner was killed, or is still working.
    Expired,
    /// Its owner was killed.
    Killed,
    /// It lost a response of the authorization server, and could not find out what became of the
    /// refresh token.
    Lost,
}

/// The owner of a lease that was abandoned.
const NOBODY: &str = "";

/// The owner of a lease whose owner is certainly gone (sqlite.rs).
const KILLED: &str = "killed";

/// Acquires a lease that is free, expired, or the owner's already. `WHERE TRUE` keeps SQLite from
/// parsing `ON CONFLICT` as part of a join.
const ACQUIRE: &str = "INSERT INTO refresh_leases (tenant_id, owner, expires_at, generation) \
     SELECT $1, $2, now_milliseconds + $3, $4 FROM clock WHERE TRUE \
     ON CONFLICT (tenant_id) DO UPDATE SET owner = excluded.owner, expires_at = excluded.expires_at, \
     generation = excluded.generation \
     WHERE refresh_leases.owner = excluded.owner \
     OR refresh_leases.expires_at <= (SELECT now_milliseconds FROM clock)";

const PREVIOUS: &str = "SELECT owner, generation FROM refresh_leases WHERE tenant_id = $1";

const RENEW: &str = "UPDATE refresh_leases SET expires_at = (SELECT now_milliseconds FROM clock) + $3 \
     WHERE tenant_id = $1 AND owner = $2";

const ABANDON: &str =
    "UPDATE refresh_leases SET expires_at = 0, owner = $3 WHERE tenant_id = $1 AND owner = $2";

const RELEASE: &str = "DELETE FROM refresh_leases WHERE tenant_id = $1 AND owner = $2";

impl Store {
    /// Acquires the lease on refreshing a tenant's tokens of this generation, for a time by the
    /// database's clock. The new owner sees everything that earlier owners stored.
    ///
    /// # Errors
    ///
    /// The database failed, or the tenant's secrets do not open. The lease was not acquired, or it
    /// expires.
    pub async fn acquire_refresh_lease(
        &self,
        id: &TenantId,
        generation: i64,
        owner: Uuid,
        duration: Duration,
    ) -> Result<RefreshLease, StoreError> {
        let leased = with_connection!(&self.pool, writing, connection => {
            let owner = owner.to_string();
            let previous = sqlx::query_as(PREVIOUS).bind(id.as_str());
            let previous: Option<(String, Option<i64>)> =
                previous.fetch_optional(&mut *connection).await?;
            let previous = match previous {
                // A lease of an earlier version has no generation.
                Some((_, Some(other))) if other != generation => Previous::Settled,
                Some((before, _)) if before == NOBODY => Previous::Lost,
                Some((before, _)) if before == KILLED => Previous::Killed,
                Some((before, _)) if before != owner => Previous::Expired,
                Some(_) | None => Previous::Settled,
            };
            let acquire = sqlx::query(ACQUIRE).bind(id.as_str()).bind(&owner);
            let acquire = acquire.bind(milliseconds(duration, LONGEST)).bind(generation);
            if acquire.execute(&mut *connection).await?.rows_affected() == 0 {
                return Ok(RefreshLease::Held);
            }
            // Read after the lease was acquired, to see everything that earlier owners stored.
            let row = sqlx::query_as::<_, Row>(SELECT_ONE).bind(id.as_str());
            let row = row.fetch_optional(&mut *connection).await?;
            let tenant = row.map(|row| row.open(&self.keyring)).transpose();
            if let Ok(Some(tenant)) = &tenant
                && tenant.application().is_some_and(|known| known.generation == generation)
            {
                let tenant = Box::new(tenant.clone());
                return Ok(RefreshLease::Acquired { tenant, previous });
            }
            let release = sqlx::query(RELEASE).bind(id.as_str()).bind(&owner);
            release.execute(&mut *connection).await?;
            Ok(match tenant? {
                Some(tenant) => RefreshLease::Superseded(Box::new(tenant)),
                None => RefreshLease::Gone,
            })
        });
        leased.await
    }

    /// Renews a lease. Returns false if the owner lost it; the owner must not store anything then.
    pub async fn renew_refresh_lease(
        &self,
        id: &TenantId,
        owner: Uuid,
        duration: Duration,
    ) -> Result<bool, StoreError> {
        let renewed = with_connection!(&self.pool, writing, connection => {
            let renew = sqlx::query(RENEW).bind(id.as_str()).bind(owner.to_string());
            let renew = renew.bind(milliseconds(duration, LONGEST));
            Ok(renew.execute(connection).await?.rows_affected())
        });
        Ok(renewed.await? > 0)
    }

    /// Ends a lease without an outcome: the next owner is told [`Previous::Lost`]. Has no effect on
    /// a lease of another owner.
    ///
    /// # Errors
    ///
    /// The database failed; the lease expires, and the next owner is told [`Previous::Expired`].
    pub async fn abandon_refresh_lease(
        &self,
        id: &TenantId,
        owner: Uuid,
    ) -> Result<(), StoreError> {
        let abandoned = with_connection!(&self.pool, writing, connection => {
            let abandon = sqlx::query(ABANDON).bind(id.as_str()).bind(owner.to_string());
            abandon.bind(NOBODY).execute(connection).await?;
            Ok(())
        });
        abandoned.await
    }

    /// Releases a lease. Has no effect on a lease of another owner.
    ///
    /// # Errors
    ///
    /// The database failed; the lease expires.
    pub async fn release_refresh_lease(
        &self,
        id: &TenantId,
        owner: Uuid,
    ) -> Result<(), StoreError> {
        let released = with_connection!(&self.pool, writing, connection => {
            let release = sqlx::query(RELEASE).bind(id.as_str()).bind(owner.to_string());
            release.execute(connection).await?;
            Ok(())
        });
        released.await
    }
}
