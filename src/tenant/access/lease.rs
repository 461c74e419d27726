//! The right to renew a tenant's access, of which there is one among all replicas.

use std::convert::Infallible;
use std::time::Duration;

use rand::RngExt;
use tokio::time::Instant;

use super::Parts;
use super::error::AccessError;
use crate::telemetry::chain;
use crate::tenant::TenantId;
use crate::tenant::record::Unusable;
use crate::tenant::store::{Lease, StoreError};
use crate::tenant::stored::StoredTenant;

/// How long a lease lasts without a sign of life: how long a tenant waits whose replica was killed during a renewal.
const LEASE: Duration = Duration::from_secs(6);
/// How often its holder gives a sign of life.
const SIGN_OF_LIFE: Duration = Duration::from_secs(2);
/// How long to wait between looks at a lease that another replica holds, at least and at most: drawn at random, so that replicas do
/// not ask in step.
const LOOK: (u64, u64) = (40, 90);
/// How long to wait for another replica's renewal: two answers of an authorization server at their slowest, and a takeover.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long to wait for the store.
const STORE_PATIENCE: Duration = Duration::from_secs(5);

/// What came of the wish to renew.
#[derive(Debug)]
pub(super) enum Leased {
    /// The right is ours; this is the tenant as it stands now.
    Mine(Box<StoredTenant>),
    /// Another pair of tokens is there already.
    Newer(Box<StoredTenant>),
}

/// Takes the lease, or waits until another replica's renewal has ended.
pub(super) async fn take(parts: &Parts, id: &TenantId, stale: i64) -> Result<Leased, AccessError> {
    let begun = Instant::now();
    loop {
        let asked = parts
            .store
            .lease_refresh(id, stale, parts.replica, LEASE)
            .await;
        match asked {
            Ok(Lease::Taken(tenant)) => return Ok(Leased::Mine(tenant)),
            Ok(Lease::Superseded(tenant)) => return Ok(Leased::Newer(tenant)),
            Ok(Lease::Gone) => return Err(AccessError::Gone),
            Ok(Lease::Held) if begun.elapsed() < PATIENCE => {}
            Ok(Lease::Held) => {
                return Err(AccessError::AuthorizationServerUnavailable {
                    failure: "another replica has been renewing the token for a minute".to_owned(),
                });
            }
            Err(StoreError::Sealed { .. }) => {
                return Err(AccessError::Unusable(Unusable::Sealed));
            }
            Err(error) if begun.elapsed() >= STORE_PATIENCE => {
                tracing::warn!(tenant = %id, error = chain(&error), "no renewal: the store does not answer");
                return Err(AccessError::StoreUnavailable);
            }
            Err(_) => {}
        }
        let (least, most) = LOOK;
        let wait = rand::rng().random_range(least..=most);
        tokio::time::sleep(Duration::from_millis(wait)).await;
    }
}

/// Keeps the lease for as long as it is polled.
pub(super) async fn keep(parts: &Parts, id: &TenantId) -> Infallible {
    loop {
        tokio::time::sleep(SIGN_OF_LIFE).await;
        // A lease that is lost does no harm: the new pair is stored only where nobody else has stored one.
        let _ = parts.store.renew_lease(id, parts.replica, LEASE).await;
    }
}

/// Gives the lease back. If that fails, it ends by itself.
pub(super) async fn release(parts: &Parts, id: &TenantId) {
    let _ = parts.store.release_lease(id, parts.replica).await;
}
