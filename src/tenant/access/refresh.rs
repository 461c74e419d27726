//! A refresh of a tenant's access token.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;
use uuid::Uuid;

use super::causes::{ANSWER_LOST, INTERRUPTED, OTHER_PORTAL, UNINSTALLED, stands};
use super::error::AccessError;
use super::lease::{self, Acquired};
use super::needed::Needed;
use super::{Insistence, Parts};
use crate::audit::{self, Action, Actor};
use crate::metrics::RefreshEnd;
use crate::telemetry::chain;
use crate::tenant::record::{Record, Unusable};
use bitrix24::TenantId;
use bitrix24::{AuthorizationServer, Consequence, OAuthError, OAuthRefusal, Tokens};
use store::{ModifyError, Previous, StoreError};
use store::{Reauthorization, StoredApplication, StoredCredentials, StoredTenant};

/// The longest cause, in characters.
const CAUSE: usize = 100;

/// The first and the longest wait between attempts to store a new pair.
const STORE_AGAIN: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(250));

/// A refresh, to be run in its own task.
#[derive(Debug)]
pub(super) struct Refresh {
    parts: Arc<Parts>,
    id: TenantId,
    /// The generation of the token pair to be replaced.
    stale: i64,
    insistence: Insistence,
    /// The owner of the lease. Random per refresh, so a late earlier refresh cannot affect this
    /// one.
    owner: Uuid,
}

/// The circumstances of a refused refresh.
struct Circumstances<'a> {
    /// The tenant as it was leased.
    tenant: &'a StoredTenant,
    /// A response was lost in this refresh.
    was_lost: bool,
    /// How the refresh before ended: it may have used the refresh token.
    previous: Previous,
}

/// How long a replica whose lease expired may still take to store a pair.
const LATE_STORE: Duration = Duration::from_secs(5);

type Refreshed = Result<(RefreshEnd, Arc<Record>), AccessError>;

/// The stored token pair is not the one to be replaced.
struct Superseded;

impl Refresh {
    pub(super) fn new(
        parts: &Arc<Parts>,
        id: &TenantId,
        stale: i64,
        insistence: Insistence,
    ) -> Self {
        Self {
            parts: Arc::clone(parts),
            id: id.clone(),
            stale,
            insistence,
            owner: Uuid::new_v4(),
        }
    }

    /// Refreshes, or adopts the pair that another replica stored.
    pub(super) async fn run(self) -> Result<Arc<Record>, AccessError> {
        let begun = Instant::now();
        let refreshed = self.lease_and_refresh().await;
        let end = match &refreshed {
            Ok((end, _)) => *end,
            Err(AccessError::ReauthorizationRequired { .. } | AccessError::NotRefreshable) => {
                RefreshEnd::ReauthorizationRequired
            }
            Err(AccessError::AuthorizationServerUnavailable { .. }) => {
                RefreshEnd::ServerUnavailable
            }
            Err(AccessError::StoreUnavailable) => RefreshEnd::StoreUnavailable,
            Err(_) => RefreshEnd::GivenUp,
        };
        self.parts.metrics.token_refresh_ended(end, begun.elapsed());
        match &refreshed {
            Ok(_) => tracing::debug!(tenant = %self.id, end = end.as_str(), "access refreshed"),
            Err(error) => {
                let error = error.to_string();
                tracing::warn!(tenant = %self.id, end = end.as_str(), error, "access not refreshed");
            }
        }
        refreshed.map(|(_, record)| record)
    }

    async fn lease_and_refresh(&self) -> Refreshed {
        let acquired = lease::acquire(&self.parts, &self.id, self.stale, self.owner).await?;
        let (tenant, previous) = match acquired {
            Acquired::Lease { tenant, previous } => (tenant, previous),
            Acquired::Newer(tenant) => return self.adopt(&tenant).await,
        };
        let lost = AtomicBool::new(previous != Previous::Settled);
        let refreshed = tokio::select! {
            refreshed = Box::pin(self.refresh(&tenant, previous, &lost)) => refreshed,
            never = lease::renew(&self.parts, &self.id, self.owner) => match never {},
        };
        let is_open = refreshed.as_ref().is_err_and(AccessError::is_transient);
        if is_open && lost.load(Ordering::Relaxed) {
            lease::abandon(&self.parts, &self.id, self.owner).await;
        } else {
            lease::release(&self.parts, &self.id, self.owner).await;
        }
        refreshed
    }

    /// Notes in `lost` that the authorization server may have used up the refresh token.
    async fn refresh(
        &self,
        tenant: &StoredTenant,
        previous: Previous,
        lost: &AtomicBool,
    ) -> Refreshed {
        let after = |was_lost| Circumstances {
            tenant,
            was_lost,
            previous,
        };
        if self.insistence == Insistence::None
            && let Some(needed) = tenant
                .reauthorization
                .as_ref()
                .filter(|needed| stands(needed))
        {
            let cause = needed.cause.clone();
            return Err(AccessError::ReauthorizationRequired { cause });
        }
        let needed = Needed::of(&self.parts, tenant)?;
        let pauses = &self.parts.pauses;
        let passing = |error: &OAuthError| Err(pauses.after(&needed.server, error));
        pauses.are_over(&needed.server)?;
        match needed.exchange(&self.parts).await {
            Ok(tokens) => self.keep(tenant, &tokens, RefreshEnd::Refreshed).await,
            Err(OAuthError::Refused(refusal)) => {
                self.refused(&needed.server, refusal, &after(false)).await
            }
            Err(
                error @ (OAuthError::NotSent(_)
                | OAuthError::Limited { .. }
                | OAuthError::RefusedInFront(_)),
            ) => passing(&error),
            // The server may have issued a pair. Only a retry shows if the refresh token still
            // works.
            Err(error @ OAuthError::Unanswered(_)) => {
                lost.store(true, Ordering::Relaxed);
                self.parts.metrics.token_answer_lost();
                let failure = passing(&error);
                tracing::warn!(tenant = %self.id, %error, "lost a response of the authorization server");
                if error.pause().is_some() {
                    return failure;
                }
                match needed.exchange(&self.parts).await {
                    Ok(tokens) => self.keep(tenant, &tokens, RefreshEnd::Recovered).await,
                    Err(OAuthError::Refused(refusal)) => {
                        self.refused(&needed.server, refusal, &after(true)).await
                    }
                    Err(error) => passing(&error),
                }
            }
        }
    }

    /// Stores the new pair before anyone uses it. Retries until it is stored or the process ends,
    /// because the old refresh token is used up.
    async fn keep(&self, tenant: &StoredTenant, tokens: &Tokens, end: RefreshEnd) -> Refreshed {
        if let (Some(known), Some(told)) = (&tenant.member_id, &tokens.member_id)
            && known != told
        {
            return self.require_reauthorization(OTHER_PORTAL, None).await;
        }
        let policy = &self.parts.directory.judgement().policy;
        let next_server = tokens
            .authorization_server
            .as_deref()
            .and_then(|told| AuthorizationServer::parse(told, policy).ok());
        let expires_in = SignedDuration::try_from(tokens.expires_in).unwrap_or_default();
        let expires_at = Timestamp::now()
            .checked_add(expires_in)
            .unwrap_or(Timestamp::MAX);
        let mut wait = STORE_AGAIN.0;
        loop {
            let stored = self
                .parts
                .store
                .modify(&self.id, |tenant| {
                    let application = current(tenant, self.stale)?;
                    application.access_token = Some(tokens.access_token.clone());
                    application.access_token_expires_at = Some(expires_at);
                    application.refresh_token = Some(tokens.refresh_token.clone());
                    if let Some(server) = &next_server {
                        application.authorization_server = Some(server.authority().to_owned());
                    }
                    if !tokens.scopes.is_empty() {
                        application.scopes.clone_from(&tokens.scopes);
                    }
                    // If the application was removed from the portal meanwhile, that stays.
                    tenant
                        .reauthorization
                        .take_if(|needed| needed.cause != UNINSTALLED);
                    if tenant.member_id.is_none() {
                        tenant.member_id.clone_from(&tokens.member_id);
                    }
                    Ok(())
                })
                .await;
            match stored {
                Ok(stored) => return Ok((end, self.parts.directory.put(&stored).await?)),
                Err(ModifyError::NotFound) => return Err(AccessError::Gone),
                Err(ModifyError::Refused(Superseded)) => return self.adopt_stored().await,
                Err(ModifyError::Store(error)) => {
                    let error = chain(&error);
                    tracing::error!(tenant = %self.id, error, "cannot store a new token pair; retrying");
                    self.parts.metrics.token_not_stored();
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(STORE_AGAIN.1);
                }
            }
        }
    }

    async fn refused(
        &self,
        server: &AuthorizationServer,
        refusal: OAuthRefusal,
        circumstances: &Circumstances<'_>,
    ) -> Refreshed {
        let Circumstances {
            tenant,
            was_lost,
            previous,
        } = *circumstances;
        // Another replica or an administrator may have been faster. A replica whose lease expired
        // gets some time to store the pair that it may have received.
        let give_up = Instant::now()
            + if previous == Previous::Expired {
                LATE_STORE
            } else {
                Duration::ZERO
            };
        loop {
            match self.adopt_stored().await {
                Err(AccessError::NotRefreshable) => {}
                decided => return decided,
            }
            if refusal.consequence() != Consequence::GrantInvalid || Instant::now() >= give_up {
                break;
            }
            tokio::time::sleep(STORE_AGAIN.1).await;
        }
        let cause: String = refusal.code.chars().take(CAUSE).collect();
        match refusal.consequence() {
            Consequence::RetryLater => {
                let error = OAuthError::Refused(refusal);
                Err(self.parts.pauses.after(server, &error))
            }
            Consequence::GrantInvalid if was_lost || previous == Previous::Lost => {
                self.require_reauthorization(ANSWER_LOST, None).await
            }
            Consequence::GrantInvalid if previous != Previous::Settled => {
                self.require_reauthorization(INTERRUPTED, None).await
            }
            Consequence::GrantInvalid => self.require_reauthorization(&cause, None).await,
            // The client secret may have been corrected meanwhile.
            Consequence::NeedsReauthorization => {
                self.require_reauthorization(&cause, Some(tenant.revision))
                    .await
            }
        }
    }

    /// Stores that the tenant needs reauthorization; with a revision, only if the tenant still has
    /// it.
    async fn require_reauthorization(&self, cause: &str, revision: Option<i64>) -> Refreshed {
        let mut is_new = false;
        let stored = self.parts.store.modify(&self.id, |tenant| {
            if revision.is_some_and(|revision| revision != tenant.revision) {
                return Err(Superseded);
            }
            current(tenant, self.stale)?;
            let known = tenant.reauthorization.as_ref();
            is_new = known.is_none_or(|known| known.cause != cause);
            tenant.reauthorization = Some(Reauthorization {
                cause: cause.to_owned(),
                since: Timestamp::now(),
            });
            Ok(())
        });
        match stored.await {
            Ok(stored) => {
                if is_new {
                    let action = Action::ReauthorizationRequired;
                    audit::record(Actor::Service, action, &self.id, cause);
                }
                // If the tenant became unusable for another reason, the next call reports it.
                let _ = self.parts.directory.put(&stored).await;
            }
            Err(ModifyError::NotFound) => return Err(AccessError::Gone),
            Err(ModifyError::Refused(Superseded)) => {
                return match self.adopt_stored().await {
                    Err(AccessError::NotRefreshable) => {
                        Err(AccessError::AuthorizationServerUnavailable {
                            failure: "the tenant was changed meanwhile".to_owned(),
                            retry_after: None,
                        })
                    }
                    decided => decided,
                };
            }
            Err(ModifyError::Store(error)) => {
                tracing::warn!(tenant = %self.id, error = chain(&error), "cannot store that the tenant needs reauthorization");
            }
        }
        let cause = cause.to_owned();
        Err(AccessError::ReauthorizationRequired { cause })
    }

    /// Adopts the stored pair; [`AccessError::NotRefreshable`] if it is still the same.
    async fn adopt_stored(&self) -> Refreshed {
        match self.parts.store.tenant(&self.id).await {
            Ok(Some(tenant)) => {
                let application = tenant.application();
                let is_same = application.is_some_and(|stored| stored.generation == self.stale);
                if is_same {
                    Err(AccessError::NotRefreshable)
                } else {
                    self.adopt(&tenant).await
                }
            }
            Ok(None) => Err(AccessError::Gone),
            Err(StoreError::Sealed { .. }) => Err(Unusable::Sealed.into()),
            Err(_) => Err(AccessError::StoreUnavailable),
        }
    }

    async fn adopt(&self, tenant: &StoredTenant) -> Refreshed {
        let record = self.parts.directory.put(tenant).await?;
        Ok((RefreshEnd::Adopted, record))
    }
}

/// The application, if its token pair is still the one to be replaced.
fn current(tenant: &mut StoredTenant, stale: i64) -> Result<&mut StoredApplication, Superseded> {
    match &mut tenant.credentials {
        StoredCredentials::Application(application) if application.generation == stale => {
            Ok(application)
        }
        StoredCredentials::Application(_) | StoredCredentials::Webhook { .. } => Err(Superseded),
    }
}
