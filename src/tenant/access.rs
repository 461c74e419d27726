//! A tenant's current credential: refreshes the access token on demand, and follows a renamed
//! portal to its new address.
//!
//! Bitrix24's refresh tokens are single-use, so two concurrent refreshes would lock the tenant out.
//! Only one runs at a time: in this process through [`Singleflight`], among replicas through a
//! lease in the store. A refresh runs in its own task, so cancelling a call cannot interrupt it,
//! and the new pair is stored before anyone uses it.

mod causes;
mod error;
mod lease;
mod needed;
mod pauses;
mod portal_move;
mod refresh;
#[cfg(test)]
pub(crate) mod scripted;
mod singleflight;

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

pub(crate) use self::causes::{OUR_CAUSES, UNINSTALLED};
use self::causes::{is_withdrawn, stands};
pub(crate) use self::error::{AccessError, MoveRefused};
use self::pauses::Pauses;
use self::portal_move::PortalMove;
use self::refresh::Refresh;
use self::singleflight::Singleflight;
use super::directory::{Directory, Tenant};
use super::record::{Credentials, Freshness, Record};
use crate::metrics::Metrics;
use bitrix24::TenantId;
use bitrix24::{Client, Credential, PortalAddress};
use store::Store;

/// Backoff after a transient failure, so that hundreds of waiting calls do not each ask a server
/// that is down.
const PAUSE: Duration = Duration::from_millis(500);

/// How long a call waits for a new token while the old one is still valid; also at most a third of
/// the time to its deadline.
const TIMEOUT_WHILE_VALID: Duration = Duration::from_secs(3);

/// How often a call looks for a valid token: the first time, and again if a new token was
/// short-lived.
const ROUNDS: usize = 3;

/// Gives calls the current credential of a tenant. Cheap to clone.
#[derive(Clone, Debug)]
pub struct PortalAccess {
    parts: Arc<Parts>,
    running: Arc<Running>,
    /// What refreshes bring in a test.
    #[cfg(test)]
    refreshes: Option<scripted::Refreshes>,
}

/// The dependencies of refreshes and moves.
#[derive(Debug)]
struct Parts {
    directory: Directory,
    store: Store,
    client: Client,
    /// Timeout of a request to an authorization server.
    timeout: Duration,
    /// Of the authorization servers.
    pauses: Pauses,
    metrics: Metrics,
}

#[derive(Debug)]
struct Running {
    refreshes: Singleflight<Result<Arc<Record>, AccessError>>,
    moves: Singleflight<Result<Arc<Record>, AccessError>>,
    /// Transient failures of the last [`PAUSE`].
    recent_failures: Cache<TenantId, AccessError>,
}

/// Proof that the tenant has a credential that is not known to have expired. Only [`PortalAccess`]
/// makes one.
#[derive(Clone, Debug)]
pub struct Opened {
    tenant: Tenant,
    credential: Arc<Credential>,
}

impl Opened {
    pub fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    pub fn portal(&self) -> &PortalAddress {
        self.tenant.portal()
    }

    pub fn credential(&self) -> &Credential {
        &self.credential
    }

    /// Whether the credential is still valid, and not about to expire.
    pub fn is_valid(&self) -> bool {
        let tokens = self.tenant.record().tokens();
        tokens.is_none_or(|tokens| tokens.freshness() == Freshness::Fresh)
    }
}

impl PortalAccess {
    /// Refreshes run as tasks of `tasks`, so that a shutdown can wait for them. `timeout` limits
    /// each request to an authorization server.
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
            pauses: Pauses::default(),
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
            #[cfg(test)]
            refreshes: None,
        }
    }

    /// Returns the tenant's credential, refreshed if it has expired or is about to. Fails even with
    /// a valid token if the application was removed from the portal.
    pub async fn open(&self, tenant: Tenant, deadline: Instant) -> Result<Opened, AccessError> {
        let mut tenant = tenant;
        let mut is_refreshed = false;
        for _ in 0..ROUNDS {
            let tokens = match &tenant.record().credentials {
                Credentials::Webhook(credential) => {
                    let credential = Arc::clone(credential);
                    return Ok(Opened { tenant, credential });
                }
                Credentials::Application(tokens) => tokens,
            };
            if is_withdrawn(tenant.record().reauthorization.as_ref()) {
                let cause = UNINSTALLED.to_owned();
                return Err(AccessError::ReauthorizationRequired { cause });
            }
            let token = tokens.token.clone();
            match (tokens.freshness(), token) {
                (Freshness::Fresh, Some(credential)) => return Ok(Opened { tenant, credential }),
                (Freshness::Expiring, Some(credential)) => {
                    // Another refresh would not bring a longer-lived token.
                    if is_refreshed {
                        return Ok(Opened { tenant, credential });
                    }
                    let now = Instant::now();
                    let third = deadline.saturating_duration_since(now) / 3;
                    let timeout = now + third.min(TIMEOUT_WHILE_VALID);
                    // If the refresh fails, the old token is still valid.
                    match self.refresh(&tenant, timeout, Insistence::None).await {
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
            failure: "it issues tokens that expire at once".to_owned(),
            retry_after: None,
        })
    }

    /// Whether [`open`](Self::open) would return a credential, as far as that is known without
    /// asking an authorization server. Nothing is refreshed.
    pub async fn check(&self, tenant: &Tenant) -> Result<(), AccessError> {
        let Credentials::Application(tokens) = &tenant.record().credentials else {
            return Ok(());
        };
        if is_withdrawn(tenant.record().reauthorization.as_ref()) {
            let cause = UNINSTALLED.to_owned();
            return Err(AccessError::ReauthorizationRequired { cause });
        }
        match tokens.freshness() {
            // The old token is valid, whatever a refresh would bring.
            Freshness::Fresh | Freshness::Expiring => Ok(()),
            Freshness::Stale => self
                .newer_or_refreshable(tenant, Insistence::None)
                .await
                .map(drop),
        }
    }

    /// Returns a new credential after the portal called this one expired.
    pub async fn reopen(&self, opened: &Opened, deadline: Instant) -> Result<Opened, AccessError> {
        let refreshed = self
            .refresh(&opened.tenant, deadline, Insistence::None)
            .await?;
        self.open(refreshed, deadline).await
    }

    /// Returns a newer credential after the portal rejected this one, if another replica or an
    /// administrator replaced it. Does not refresh.
    pub async fn newer(&self, opened: &Opened, deadline: Instant) -> Option<Opened> {
        let id = opened.tenant.id();
        let reread = self.parts.directory.reread(id);
        tokio::time::timeout_at(deadline, reread).await.ok()?.ok()?;
        let newest = self.parts.directory.newest(id).await?;
        let is_newer = newest.generation() > opened.tenant.record().generation();
        let refreshed = is_newer.then(|| opened.tenant.refreshed(newest))?;
        self.open(refreshed, deadline).await.ok()
    }

    /// Returns a credential for a verification, which tries a refresh even if the tenant needs
    /// reauthorization.
    pub async fn verify(&self, tenant: Tenant, deadline: Instant) -> Result<Opened, AccessError> {
        let is_stale = tenant
            .tokens()
            .is_some_and(|tokens| tokens.freshness() == Freshness::Stale);
        let tenant = if is_stale || tenant.record().reauthorization.is_some() {
            self.refresh(&tenant, deadline, Insistence::Verification)
                .await?
        } else {
            tenant
        };
        self.open(tenant, deadline).await
    }

    /// Follows the portal to the address of its redirect, after verifying and storing that address.
    pub async fn follow(
        &self,
        opened: &Opened,
        new_address: Option<&str>,
        deadline: Instant,
    ) -> Result<Opened, AccessError> {
        match self.follow_once(opened, new_address, deadline).await {
            // Only the portal at its new address would have said that the token has expired.
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
        #[cfg(test)]
        if let Some(refreshes) = &self.refreshes {
            return refreshes.next(tenant, deadline).await;
        }
        if let Some(newest) = self.newer_or_refreshable(tenant, insistence).await? {
            return Ok(tenant.refreshed(newest));
        }
        let (id, stale) = (tenant.id(), tenant.record().generation());
        let work = || {
            let refresh = Refresh::new(&self.parts, id, stale, insistence);
            let (id, recent_failures) = (id.clone(), self.running.recent_failures.clone());
            async move {
                let refreshed = refresh.run().await;
                if let Err(error) = &refreshed
                    && error.is_transient()
                {
                    recent_failures.insert(id, error.clone());
                }
                refreshed
            }
        };
        let record = self.running.refreshes.join(id, deadline, work).await??;
        Ok(tenant.refreshed(record))
    }

    /// A record with newer tokens, if there is one; otherwise a refresh may be tried.
    async fn newer_or_refreshable(
        &self,
        tenant: &Tenant,
        insistence: Insistence,
    ) -> Result<Option<Arc<Record>>, AccessError> {
        let (id, stale) = (tenant.id(), tenant.record().generation());
        if let Some(newest) = self.parts.directory.newest(id).await {
            if newest.generation() > stale {
                return Ok(Some(newest));
            }
            if insistence == Insistence::None
                && let Some(needed) = newest
                    .reauthorization
                    .as_ref()
                    .filter(|needed| stands(needed))
            {
                let cause = needed.cause.clone();
                return Err(AccessError::ReauthorizationRequired { cause });
            }
        }
        if !tenant.tokens().is_some_and(|tokens| tokens.is_refreshable) {
            return Err(AccessError::NotRefreshable);
        }
        match self.running.recent_failures.get(id) {
            Some(error) if insistence == Insistence::None => Err(error),
            Some(_) | None => Ok(None),
        }
    }
}

/// Whether a refresh is tried although the tenant needs reauthorization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Insistence {
    None,
    Verification,
}
