//! What opens a tenant's portal now: the access token, refreshed when a call needs it, and the portal's address after a rename.
//!
//! Bitrix24's refresh tokens work once, so two refreshes at the same time would shut the tenant out. Here one runs at a time: in this
//! process by [`Singleflight`], among replicas by a lease in the store. It runs in a task of its own, so that a caller that gives up
//! breaks nothing, and the new pair is in the store before anybody uses it.

mod error;
mod lease;
mod portal_move;
mod refresh;
mod singleflight;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use moka::sync::Cache;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

pub use self::error::{AccessError, MoveRefused};
use self::portal_move::PortalMove;
use self::refresh::Refresh;
use self::singleflight::Singleflight;
use super::directory::{Directory, Tenant};
use super::record::{Freshness, Record};
use crate::metrics::Metrics;
use bitrix24::TenantId;
use bitrix24::{Client, Credential, PortalAddress};
use store::Reauthorization;
use store::Store;

/// How long after a failure for a passing cause the authorization server is left alone, so that hundreds of waiting calls do not
/// each ask a server that is down.
const PAUSE: Duration = Duration::from_millis(500);

/// How long a call waits for a new token while its old one still works, at most: a third of the time that it has, too.
const PATIENCE_WHILE_VALID: Duration = Duration::from_secs(3);

/// How long a mark stands before a call tries again, where the cause can go away without new credentials: a bill is paid, a client
/// secret in the settings is corrected.
const MARK_STANDS: Duration = Duration::from_secs(15 * 60);

/// Causes that only new credentials remove.
const FINAL_CAUSES: [&str; 5] = [
    "invalid_grant",
    "bad_verification_code",
    refresh::ANSWER_LOST,
    refresh::OTHER_PORTAL,
    UNINSTALLED,
];

/// The cause of a mark: the portal's administrator has removed the application.
const UNINSTALLED: &str = "uninstalled";

/// How often a call looks for a token that has not expired already: once for itself, and again where a token was short-lived.
const ROUNDS: usize = 3;

/// Gives calls what opens the portal. Cheap to clone.
#[derive(Clone, Debug)]
pub struct PortalAccess {
    parts: Arc<Parts>,
    running: Arc<Running>,
}

/// What refreshes and moves work with.
#[derive(Debug)]
struct Parts {
    directory: Directory,
    store: Store,
    client: Client,
    /// How long an authorization server may take to answer.
    timeout: Duration,
    metrics: Metrics,
}

#[derive(Debug)]
struct Running {
    refreshes: Singleflight<Result<Arc<Record>, AccessError>>,
    moves: Singleflight<Result<Arc<Record>, AccessError>>,
    /// Failures for a passing cause that are younger than [`PAUSE`].
    recent_failures: Cache<TenantId, AccessError>,
}

/// Proof that the tenant has a credential that is not known to have expired. Only [`PortalAccess`] makes one.
#[derive(Clone, Debug)]
pub struct Opened {
    tenant: Tenant,
    credential: Arc<Credential>,
}

impl Opened {
    /// Whose it is.
    pub fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    /// Where its portal is.
    pub fn portal(&self) -> &PortalAddress {
        self.tenant.portal()
    }

    /// What opens the portal.
    pub fn credential(&self) -> &Credential {
        &self.credential
    }
}

impl PortalAccess {
    /// Makes it. Refreshes run as tasks of `tasks`, so that a stop can wait for them; `timeout` is how long an authorization server
    /// may take to answer.
    pub fn new(
        directory: Directory,
        store: Store,
        client: Client,
        timeout: Duration,
        tasks: &TaskTracker,
        metrics: Metrics,
    ) -> Self {
        let parts = Parts {
            directory,
            store,
            client,
            timeout,
            metrics,
        };
        let running = Running {
            refreshes: Singleflight::new(tasks.clone()),
            moves: Singleflight::new(tasks.clone()),
            recent_failures: Cache::builder().time_to_live(PAUSE).build(),
        };
        Self {
            parts: Arc::new(parts),
            running: Arc::new(running),
        }
    }

    /// Gives the tenant's credential, refreshed if it has expired or is about to.
    ///
    /// # Errors
    ///
    /// [`AccessError`]; nothing was sent to the portal.
    pub async fn open(&self, tenant: Tenant, deadline: Instant) -> Result<Opened, AccessError> {
        let mut tenant = tenant;
        let mut is_refreshed = false;
        for _ in 0..ROUNDS {
            let grant = match &tenant.record().access {
                super::record::Access::Webhook(credential) => {
                    let credential = Arc::clone(credential);
                    return Ok(Opened { tenant, credential });
                }
                super::record::Access::Application(grant) => grant,
            };
            let token = grant.token.clone();
            match (grant.freshness(), token) {
                (Freshness::Fresh, Some(credential)) => return Ok(Opened { tenant, credential }),
                (Freshness::Expiring, Some(credential)) => {
                    // What was refreshed for this call is as good as it gets.
                    if is_refreshed {
                        return Ok(Opened { tenant, credential });
                    }
                    let now = Instant::now();
                    let third = deadline.saturating_duration_since(now) / 3;
                    let patience = now + third.min(PATIENCE_WHILE_VALID);
                    // Whatever hinders the refresh, the call can still be made.
                    match self.refresh(&tenant, patience, Insistence::None).await {
                        Ok(refreshed) => tenant = refreshed,
                        Err(_) => return Ok(Opened { tenant, credential }),
                    }
                }
                (Freshness::Fresh | Freshness::Expiring | Freshness::Stale, _) => {
                    tenant = self.refresh(&tenant, deadline, Insistence::None).await?;
                }
            }
            is_refreshed = true;
        }
        Err(AccessError::AuthorizationServerUnavailable {
            failure: "it grants tokens that expire at once".to_owned(),
        })
    }

    /// Gives the credential that comes after the one that the portal calls expired.
    ///
    /// # Errors
    ///
    /// [`AccessError`]; [`AccessError::NotRefreshable`] if there is nothing to refresh it with.
    pub async fn reopen(&self, opened: &Opened, deadline: Instant) -> Result<Opened, AccessError> {
        let refreshed = self
            .refresh(&opened.tenant, deadline, Insistence::None)
            .await?;
        self.open(refreshed, deadline).await
    }

    /// Gives a newer credential than the one that the portal does not know, if there is one: another replica, or an administrator,
    /// may have replaced it. Refreshes nothing.
    pub async fn newer(&self, opened: &Opened, deadline: Instant) -> Option<Opened> {
        let id = opened.tenant.id();
        let reread = self.parts.directory.reread(id);
        tokio::time::timeout_at(deadline, reread).await.ok()?.ok()?;
        let newest = self.parts.directory.newest(id).await?;
        let is_newer = newest.generation() > opened.tenant.record().generation();
        let refreshed = is_newer.then(|| opened.tenant.refreshed(newest))?;
        self.open(refreshed, deadline).await.ok()
    }

    /// Gives a credential for a person who wants to know whether the tenant works: a refresh is tried even where calls no longer
    /// try.
    ///
    /// # Errors
    ///
    /// [`AccessError`]; [`AccessError::NotRefreshable`] if there is nothing to refresh it with.
    pub async fn verify(&self, tenant: Tenant, deadline: Instant) -> Result<Opened, AccessError> {
        let is_stale = tenant
            .grant()
            .is_some_and(|grant| grant.freshness() == Freshness::Stale);
        let tenant = if is_stale || tenant.record().reauthorization.is_some() {
            self.refresh(&tenant, deadline, Insistence::OfAPerson)
                .await?
        } else {
            tenant
        };
        self.open(tenant, deadline).await
    }

    /// Follows the portal to the address that it has redirected to, once that is verified and stored.
    ///
    /// # Errors
    ///
    /// [`AccessError`]; [`AccessError::MoveRefused`] if the new address is not proven to be the same portal's.
    pub async fn follow(
        &self,
        opened: &Opened,
        new_address: Option<&str>,
        deadline: Instant,
    ) -> Result<Opened, AccessError> {
        match self.follow_once(opened, new_address, deadline).await {
            // The portal would have told that the token has expired, but only at its new address.
            Err(AccessError::MoveRefused {
                new_address: refused,
                reason: MoveRefused::TokenExpired,
            }) => match self.reopen(opened, deadline).await {
                Ok(refreshed) => self.follow_once(&refreshed, new_address, deadline).await,
                Err(AccessError::NotRefreshable) => Err(MoveRefused::TokenExpired.of(&refused)),
                Err(error) => Err(error),
            },
            followed => followed,
        }
    }

    async fn follow_once(
        &self,
        opened: &Opened,
        new_address: Option<&str>,
        deadline: Instant,
    ) -> Result<Opened, AccessError> {
        let id = opened.tenant.id();
        if let Some(newest) = self.parts.directory.newest(id).await
            && newest.portal != *opened.portal()
        {
            return self.open(opened.tenant.refreshed(newest), deadline).await;
        }
        let new_address = new_address
            .ok_or_else(|| MoveRefused::Unreadable.of("an address that cannot be read"))?
            .to_owned();
        let work = || PortalMove::new(&self.parts, opened, new_address).run();
        let record = self.running.moves.join(id, deadline, work).await??;
        self.open(opened.tenant.refreshed(record), deadline).await
    }

    async fn refresh(
        &self,
        tenant: &Tenant,
        deadline: Instant,
        insistence: Insistence,
    ) -> Result<Tenant, AccessError> {
        let (id, stale) = (tenant.id(), tenant.record().generation());
        if let Some(newest) = self.parts.directory.newest(id).await {
            if newest.generation() > stale {
                return Ok(tenant.refreshed(newest));
            }
            if insistence == Insistence::None
                && let Some(mark) = newest.reauthorization.as_ref().filter(|mark| stands(mark))
            {
                let cause = mark.cause.clone();
                return Err(AccessError::ReauthorizationRequired { cause });
            }
        }
        if !tenant.grant().is_some_and(|grant| grant.is_refreshable) {
            return Err(AccessError::NotRefreshable);
        }
        if let Some(error) = self.running.recent_failures.get(id)
            && insistence == Insistence::None
        {
            return Err(error);
        }
        let work = || {
            let refresh = Refresh::new(&self.parts, id, stale, insistence);
            let (id, recent_failures) = (id.clone(), self.running.recent_failures.clone());
            async move {
                let refreshed = refresh.run().await;
                if let Err(error) = &refreshed
                    && error.passes()
                {
                    recent_failures.insert(id, error.clone());
                }
                refreshed
            }
        };
        let record = self.running.refreshes.join(id, deadline, work).await??;
        Ok(tenant.refreshed(record))
    }
}

/// Whether a refresh is tried although the tenant is marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Insistence {
    None,
    OfAPerson,
}

/// Whether calls of a tenant that needs reauthorization need not try.
fn stands(mark: &Reauthorization) -> bool {
    let age = Timestamp::now().duration_since(mark.since);
    let is_young = Duration::try_from(age).is_ok_and(|age| age < MARK_STANDS);
    is_young
        || FINAL_CAUSES
            .iter()
            .any(|cause| mark.cause.eq_ignore_ascii_case(cause))
}
