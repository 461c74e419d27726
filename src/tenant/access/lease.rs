//! The lease on refreshing a tenant's tokens, which one replica holds at a time.

use std::convert::Infallible;
use std::time::Duration;

use rand::RngExt;
use tokio::time::Instant;
use uuid::Uuid;

use bitrix24::TenantId;
use store::{Previous, RefreshLease, StoreError, StoredTenant};

use super::Parts;
use super::error::AccessError;
use crate::telemetry::chain;
use crate::tenant::record::Unusable;

/// How long a lease lasts without renewal: the delay for a tenant whose replica was killed during a
/// refresh.
const LEASE: Duration = Duration::from_secs(6);
/// How often the owner renews the lease.
const RENEW: Duration = Duration::from_secs(2);
/// The first and the longest wait between attempts to acquire a lease that another replica holds.
const RETRY: (Duration, Duration) = (Duration::from_millis(40), Duration::from_millis(320));
/// How long to wait for another replica's refresh: two slow responses of an authorization server,
/// and an expired lease.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Timeout for releasing a lease, because calls wait for it.
const RELEASE: Duration = Duration::from_secs(1);
/// How long to retry while the store is unavailable.
const STORE_TIMEOUT: Duration = Duration::from_secs(5);

/// The result of [`acquire`].
#[derive(Debug)]
pub(super) enum Acquired {
    /// This refresh holds the lease.
    Lease {
        tenant: Box<StoredTenant>,
        /// How the refresh before ended. If its lease expired, it may still store a token pair.
        previous: Previous,
    },
    /// Another token pair is stored already.
    Newer(Box<StoredTenant>),
}

/// Acquires the lease, or waits until another replica's refresh has ended.
pub(super) async fn acquire(
    parts: &Parts,
    id: &TenantId,
    stale: i64,
    owner: Uuid,
) -> Result<Acquired, AccessError> {
    let mut wait = RETRY.0;
    let begun = Instant::now();
    loop {
        let lease = parts
            .store
            .acquire_refresh_lease(id, stale, owner, LEASE)
            .await;
        match lease {
            Ok(RefreshLease::Acquired { tenant, previous }) => {
                return Ok(Acquired::Lease { tenant, previous });
            }
            Ok(RefreshLease::Superseded(tenant)) => return Ok(Acquired::Newer(tenant)),
            Ok(RefreshLease::Gone) => return Err(AccessError::Gone),
            Ok(RefreshLease::Held) if begun.elapsed() < TIMEOUT => {}
            Ok(RefreshLease::Held) => {
                return Err(AccessError::AuthorizationServerUnavailable {
                    failure: "another replica has been refreshing the token for a minute"
                        .to_owned(),
                    retry_after: None,
                });
            }
            Err(StoreError::Sealed { .. }) => {
                return Err(AccessError::Unusable(Unusable::Sealed));
            }
            Err(error) if begun.elapsed() >= STORE_TIMEOUT => {
                tracing::warn!(
                    tenant = %id,
                    error = chain(&error),
                    "cannot refresh: the store is unavailable"
                );
                return Err(AccessError::StoreUnavailable);
            }
            Err(_) => {}
        }
        // Jitter, so that replicas do not retry in step.
        let jittered = wait.mul_f64(rand::rng().random_range(0.7..1.3));
        tokio::time::sleep(jittered).await;
        wait = (wait * 2).min(RETRY.1);
    }
}

/// Renews the lease for as long as it is polled.
pub(super) async fn renew(parts: &Parts, id: &TenantId, owner: Uuid) -> Infallible {
    loop {
        tokio::time::sleep(RENEW).await;
        // A lost lease is harmless: a new pair is stored only if no other one was stored meanwhile.
        let _ = parts.store.renew_refresh_lease(id, owner, LEASE).await;
    }
}

/// Releases the lease. If that fails, the lease expires.
pub(super) async fn release(parts: &Parts, id: &TenantId, owner: Uuid) {
    let released = parts.store.release_refresh_lease(id, owner);
    let _ = tokio::time::timeout(RELEASE, released).await;
}

/// Ends the lease so that the next refresh knows that a response was lost. If that fails, the lease
/// expires, which tells it nearly the same.
pub(super) async fn abandon(parts: &Parts, id: &TenantId, owner: Uuid) {
    let abandoned = parts.store.abandon_refresh_lease(id, owner);
    let _ = tokio::time::timeout(RELEASE, abandoned).await;
}
