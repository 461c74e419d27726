//! The directory of tenants, and the proof that a caller may act for one.
//!
//! Caches the tenants in use and learns of changes from the [feed]. So a call needs no database,
//! and unused tenants need no memory.

mod feed;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use self::feed::follow;
use moka::future::Cache;
use moka::ops::compute::Op;
use thiserror::Error;

use super::record::{ApplicationTokens, Judgement, Record, Unusable};
use crate::auth::Grant;
use crate::metrics::{Metrics, TenantLoad};
use bitrix24::Plan;
use bitrix24::PortalAddress;
use bitrix24::TenantId;
use store::StoredTenant;
use store::{Store, StoreError};

/// How long a call waits for the store to tell of its tenant. The store notices earlier that its
/// database is silent; calls of one tenant find that out one after the other.
const LOOK_UP: Duration = Duration::from_secs(4);

/// The tenants of this service. Cheap to clone.
#[derive(Clone)]
pub struct Directory {
    store: Store,
    judgement: Arc<Judgement>,
    known: Cache<TenantId, Known>,
    metrics: Metrics,
}

/// The state of an id.
#[derive(Clone, Debug)]
enum Known {
    Absent,
    Unusable { why: Unusable, revision: i64 },
    Usable(Arc<Record>),
}

/// Proof that a caller may act for this tenant. Only [`Directory::resolve`] makes one. Cheap to
/// clone.
#[derive(Clone, Debug)]
pub struct Tenant(Arc<Record>);

/// Why a caller cannot use a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ResolveError {
    /// One error for both, so that callers cannot find out which tenants exist.
    #[error("the caller may not act for this tenant, or it does not exist")]
    NotPermitted,
    #[error(transparent)]
    Unusable(#[from] Unusable),
    /// The tenant is not cached, and the store is unavailable.
    #[error("the store is unavailable")]
    StoreUnavailable,
}

impl Directory {
    /// Caches at most `maximum_cached` tenants.
    pub fn new(store: Store, judgement: Judgement, maximum_cached: u64, metrics: Metrics) -> Self {
        Self {
            store,
            judgement: Arc::new(judgement),
            known: Cache::new(maximum_cached),
            metrics,
        }
    }

    /// Finds the tenant. The store is asked only with a grant, so that guessed ids cost
    /// nothing.
    pub async fn resolve(&self, grant: &Grant) -> Result<Tenant, ResolveError> {
        match self.look_up(grant.tenant()).await? {
            Known::Usable(record) => Ok(Tenant(record)),
            Known::Unusable { why, .. } => Err(why.into()),
            Known::Absent => Err(ResolveError::NotPermitted),
        }
    }

    /// The portal and the plan by which calls of a tenant would go now; `None` if it is gone or
    /// cannot be used.
    pub(crate) async fn plan_of(
        &self,
        id: &TenantId,
    ) -> Result<Option<(PortalAddress, Plan)>, StoreError> {
        let known = match self.known.get(id).await {
            Some(known) => known,
            None => match self.read(id).await {
                Err(StoreError::Sealed { .. } | StoreError::Corrupt(_)) => return Ok(None),
                read => read?,
            },
        };
        Ok(match known {
            Known::Usable(record) => Some((record.portal.clone(), record.plan)),
            Known::Unusable { .. } | Known::Absent => None,
        })
    }

    pub fn judgement(&self) -> &Judgement {
        &self.judgement
    }

    /// Updates a cached tenant with a state from the store, unless the cache has a newer one.
    pub(super) async fn put(&self, stored: &StoredTenant) -> Result<Arc<Record>, Unusable> {
        let judged = Record::judge(stored, &self.judgement).map(Arc::new);
        let revision = stored.revision;
        let known = Known::of(judged.clone(), revision);
        self.known
            .entry_by_ref(&stored.id)
            .and_compute_with(|held| async move {
                // Cached tenants only: inserting here could bring back one deleted meanwhile.
                match held.and_then(|held| held.into_value().revision()) {
                    Some(held) if held < revision => Op::Put(known),
                    Some(_) | None => Op::Nop,
                }
            })
            .await;
        judged
    }

    /// The cached record of a tenant.
    pub(super) async fn newest(&self, id: &TenantId) -> Option<Arc<Record>> {
        match self.known.get(id).await {
            Some(Known::Usable(record)) => Some(record),
            Some(Known::Unusable { .. } | Known::Absent) | None => None,
        }
    }

    /// Reads a changed tenant again if it is cached. Removes a tenant that cannot be read, so that
    /// the next call reports the cause. If the store is unavailable, the old state stays.
    pub async fn reread(&self, id: &TenantId) -> Result<(), StoreError> {
        let read = self
            .known
            .entry_by_ref(id)
            .and_try_compute_with(|held| async move {
                match held {
                    None => Ok(Op::Nop),
                    Some(_) => match self.read(id).await {
                        Ok(known) => Ok(Op::Put(known)),
                        Err(StoreError::Sealed { .. } | StoreError::Corrupt(_)) => Ok(Op::Remove),
                        Err(error) => Err(error),
                    },
                }
            });
        read.await.map(|_| ())
    }

    /// Empties the cache.
    fn forget(&self) {
        self.known.invalidate_all();
    }

    async fn look_up(&self, id: &TenantId) -> Result<Known, ResolveError> {
        if let Some(known) = self.known.get(id).await {
            return Ok(known);
        }
        // An entry operation as in `reread`: the two exclude each other, so a state that was read
        // before a change cannot replace the state after it.
        let entered = self
            .known
            .entry_by_ref(id)
            .and_try_compute_with(|held| async move {
                match held {
                    Some(_) => Ok(Op::Nop),
                    None => self.read(id).await.map(Op::Put),
                }
            });
        let entered = tokio::time::timeout(LOOK_UP, entered).await;
        match entered.unwrap_or_else(|_| Err(StoreError::timeout())) {
            Ok(entered) => {
                let known = entered.into_entry().map(|entry| entry.into_value());
                self.metrics.tenant_loaded(match known {
                    Some(Known::Absent) | None => TenantLoad::Absent,
                    Some(Known::Usable(_) | Known::Unusable { .. }) => TenantLoad::Loaded,
                });
                Ok(known.unwrap_or(Known::Absent))
            }
            Err(error) => {
                self.metrics.tenant_loaded(TenantLoad::Failed);
                tracing::warn!(
                    error = crate::telemetry::chain(&error),
                    "cannot read a tenant"
                );
                // Not cached, because the key may come back any moment.
                Err(match error {
                    StoreError::Sealed { .. } => Unusable::Sealed.into(),
                    StoreError::Corrupt(_) => Unusable::Unreadable.into(),
                    StoreError::Unavailable(_) => ResolveError::StoreUnavailable,
                })
            }
        }
    }

    async fn read(&self, id: &TenantId) -> Result<Known, StoreError> {
        match self.store.tenant(id).await {
            Ok(None) => Ok(Known::Absent),
            Ok(Some(stored)) => {
                let judged = Record::judge(&stored, &self.judgement).map(Arc::new);
                Ok(Known::of(judged, stored.revision))
            }
            Err(error) => Err(error),
        }
    }
}

impl Known {
    fn of(judged: Result<Arc<Record>, Unusable>, revision: i64) -> Self {
        judged.map_or_else(|why| Self::Unusable { why, revision }, Self::Usable)
    }

    fn revision(&self) -> Option<i64> {
        match self {
            Self::Absent => None,
            Self::Unusable { revision, .. } => Some(*revision),
            Self::Usable(record) => Some(record.revision),
        }
    }
}

/// Shows only the number of cached tenants, because there may be many.
impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory")
            .field("in_memory", &self.known.entry_count())
            .finish_non_exhaustive()
    }
}

impl Tenant {
    #[cfg(test)]
    pub(super) fn of_record(record: Arc<Record>) -> Self {
        Self(record)
    }

    pub fn id(&self) -> &TenantId {
        &self.0.id
    }

    pub fn portal(&self) -> &PortalAddress {
        &self.0.portal
    }

    /// Changes whenever the stored tenant changes, also with its tokens.
    pub fn revision(&self) -> i64 {
        self.0.revision
    }

    /// The rate limit of the portal.
    pub fn plan(&self) -> Plan {
        self.0.plan
    }

    /// Whether the credentials are those of an application.
    pub fn is_application(&self) -> bool {
        self.0.tokens().is_some()
    }

    pub(super) fn record(&self) -> &Record {
        &self.0
    }

    pub(super) fn tokens(&self) -> Option<&ApplicationTokens> {
        self.0.tokens()
    }

    /// The same tenant in a newer state. The caller's permission stays proven.
    pub(super) fn refreshed(&self, record: Arc<Record>) -> Self {
        debug_assert_eq!(self.0.id, record.id, "the proof is for one tenant");
        Self(record)
    }
}
