//! The right to refresh a tenant's access, of which there is one among all replicas.

use std::convert::Infallible;
use std::time::Duration;

use rand::RngExt;
use tokio::time::Instant;
use uuid::Uuid;

use super::Parts;
use super::error::AccessError;
use crate::telemetry::chain;
use crate::tenant::record::Unusable;
use bitrix24::TenantId;
use store::StoredTenant;
use store::{Lease, StoreError};

/// How long a lease lasts without a sign of life: how long a tenant waits whose replica was killed during a refresh.
const LEASE: Duration = Duration::from_secs(6);
/// How often its holder gives a sign of life.
const SIGN_OF_LIFE: Duration = Duration::from_secs(2);
/// How long to wait between looks at a lease that another replica holds: at first, and at most.
const LOOK: (Duration, Duration) = (Duration::from_millis(40), Duration::from_millis(320));
/// How long to wait for another replica's refresh: two answers of an authorization server at their slowest, and a takeover.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long giving the lease back may take: calls wait for it that could go on.
const RELEASE: Duration = Duration::from_secs(1);
/// How long to wait for the store.
const STORE_PATIENCE: Duration = Duration::from_secs(5);

/// What came of the wish to refresh.
#[derive(Debug)]
pub(super) enum Leased {
    /// The right is ours; this is the tenant as it stands now.
    Mine {
        tenant: Box<StoredTenant>,
        /// The owner before has fallen silent, and may still store a pair that it has bought.
        is_abandoned: bool,
    },
    /// Another pair of tokens is there already.
    Newer(Box<StoredTenant>),
}

/// Takes the lease, or waits until another replica's refresh has ended.
pub(super) async fn take(
    parts: &Parts,
    id: &TenantId,
    stale: i64,
    owner: Uuid,
) -> Result<Leased, AccessError> {
    let mut look = LOOK.0;
    let begun = Instant::now();
    loop {
        let asked = parts.store.lease_refresh(id, stale, owner, LEASE).await;
        match asked {
            Ok(Lease::Taken(tenant)) => {
                return Ok(Leased::Mine {
                    tenant,
                    is_abandoned: false,
                });
            }
            Ok(Lease::TakenOver(tenant)) => {
                return Ok(Leased::Mine {
                    tenant,
                    is_abandoned: true,
                });
            }
            Ok(Lease::Superseded(tenant)) => return Ok(Leased::Newer(tenant)),
            Ok(Lease::Gone) => return Err(AccessError::Gone),
            Ok(Lease::Held) if begun.elapsed() < PATIENCE => {}
            Ok(Lease::Held) => {
                return Err(AccessError::AuthorizationServerUnavailable {
                    failure: "another replica has been refreshing the token for a minute"
                        .to_owned(),
                });
            }
            Err(StoreError::Sealed { .. }) => {
                return Err(AccessError::Unusable(Unusable::Sealed));
            }
            Err(error) if begun.elapsed() >= STORE_PATIENCE => {
                tracing::warn!(tenant = %id, error = chain(&error), "no refresh: the store does not answer");
                return Err(AccessError::StoreUnavailable);
            }
            Err(_) => {}
        }
        // Drawn at random, so that replicas do not ask in step.
        let wait = look.mul_f64(rand::rng().random_range(0.7..1.3));
        tokio::time::sleep(wait).await;
        look = (look * 2).min(LOOK.1);
    }
}

/// Keeps the lease for as long as it is polled.
pub(super) async fn keep(parts: &Parts, id: &TenantId, owner: Uuid) -> Infallible {
    loop {
        tokio::time::sleep(SIGN_OF_LIFE).await;
        // A lease that is lost does no harm: the new pair is stored only where nobody else has stored one.
        let _ = parts.store.renew_lease(id, owner, LEASE).await;
    }
}

/// Gives the lease back. If that fails, it ends by itself.
pub(super) async fn release(parts: &Parts, id: &TenantId, owner: Uuid) {
    let released = parts.store.release_lease(id, owner);
    let _ = tokio::time::timeout(RELEASE, released).await;
}
