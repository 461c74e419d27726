//! One refresh of a tenant's access token.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use tokio::time::Instant;
use uuid::Uuid;

use super::error::AccessError;
use super::lease::{self, Leased};
use super::{Insistence, Parts};
use crate::audit::{self, Action, Actor};
use crate::metrics::RefreshEnd;
use crate::telemetry::chain;
use crate::tenant::record::{Record, Unusable, client_secret};
use bitrix24::TenantId;
use bitrix24::{AuthorizationServer, ClientId, Consequence, OAuthError, OAuthRefusal, Tokens};
use store::{ModifyError, StoreError};
use store::{Reauthorization, StoredApplication, StoredCredentials, StoredTenant};

/// The cause of a mark: an answer of the authorization server was lost, and with it the new pair.
pub(super) const ANSWER_LOST: &str = "answer_lost";
/// The cause of a mark: the new pair is for another portal.
pub(super) const OTHER_PORTAL: &str = "other_portal";

/// The longest cause, in characters.
const CAUSE: usize = 100;

/// The waits between attempts to store a new pair: the first, and the longest.
const STORE_AGAIN: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(250));

/// One refresh, to be run in a task of its own.
#[derive(Debug)]
pub(super) struct Refresh {
    parts: Arc<Parts>,
    id: TenantId,
    /// The pair of tokens to be replaced.
    stale: i64,
    insistence: Insistence,
    /// The owner of the lease: of this refresh alone, so that what an earlier one does late does not touch it.
    owner: Uuid,
}

/// What a refresh needs of the tenant.
struct Needed {
    server: AuthorizationServer,
    client_id: ClientId,
    client_secret: SecretString,
    refresh_token: SecretString,
}

/// Under which circumstances the authorization server refused.
struct Circumstances<'a> {
    /// The tenant as it was leased.
    tenant: &'a StoredTenant,
    /// An answer was lost before.
    was_lost: bool,
    /// Another replica had the lease before and fell silent: it may have used the refresh token.
    is_abandoned: bool,
}

/// How long a replica that has fallen silent may take to store a pair, from the moment at which its lease was taken over.
const SILENCE: Duration = Duration::from_secs(5);

type Refreshed = Result<(RefreshEnd, Arc<Record>), AccessError>;

/// The stored pair is not the one that was to be replaced.
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

    /// Refreshes, or takes over what another replica has refreshed.
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
        let leased = lease::take(&self.parts, &self.id, self.stale, self.owner).await?;
        let (tenant, is_abandoned) = match leased {
            Leased::Mine {
                tenant,
                is_abandoned,
            } => (tenant, is_abandoned),
            Leased::Newer(tenant) => return self.adopt(&tenant).await,
        };
        let refreshed = tokio::select! {
            refreshed = Box::pin(self.refresh(&tenant, is_abandoned)) => refreshed,
            never = lease::keep(&self.parts, &self.id, self.owner) => match never {},
        };
        lease::release(&self.parts, &self.id, self.owner).await;
        refreshed
    }

    async fn refresh(&self, tenant: &StoredTenant, is_abandoned: bool) -> Refreshed {
        let after = |was_lost| Circumstances {
            tenant,
            was_lost,
            is_abandoned,
        };
        if self.insistence == Insistence::None
            && let Some(mark) = tenant
                .reauthorization
                .as_ref()
                .filter(|mark| super::stands(mark))
        {
            let cause = mark.cause.clone();
            return Err(AccessError::ReauthorizationRequired { cause });
        }
        let needed = self.needed(tenant)?;
        match self.exchange(&needed).await {
            Ok(tokens) => self.keep(tenant, &tokens, RefreshEnd::Refreshed).await,
            Err(OAuthError::Refused(refusal)) => self.refused(&refusal, &after(false)).await,
            Err(OAuthError::NotSent(not_sent)) => Err(unavailable(&not_sent.to_string())),
            // The pair may have been granted. Whether the refresh token still works, only another attempt can tell.
            Err(OAuthError::Unanswered(lost)) => {
                self.parts.metrics.token_answer_lost();
                tracing::warn!(tenant = %self.id, error = %lost, "an answer of the authorization server was lost");
                match self.exchange(&needed).await {
                    Ok(tokens) => self.keep(tenant, &tokens, RefreshEnd::Recovered).await,
                    Err(OAuthError::Refused(refusal)) => self.refused(&refusal, &after(true)).await,
                    Err(OAuthError::NotSent(not_sent)) => Err(unavailable(&not_sent.to_string())),
                    Err(OAuthError::Unanswered(lost)) => Err(unavailable(&lost.to_string())),
                }
            }
        }
    }

    fn needed(&self, tenant: &StoredTenant) -> Result<Needed, AccessError> {
        let judgement = self.parts.directory.judgement();
        let application = tenant.application().ok_or(AccessError::NotRefreshable)?;
        let secret = client_secret(application, &judgement.applications);
        let server = match &application.authorization_server {
            Some(address) => {
                AuthorizationServer::parse(address, &judgement.policy).map_err(Unusable::from)?
            }
            None => judgement.default_server.clone(),
        };
        Ok(Needed {
            server,
            client_id: application
                .client_id
                .clone()
                .ok_or(AccessError::NotRefreshable)?,
            client_secret: secret.ok_or(AccessError::NotRefreshable)?.clone(),
            refresh_token: application
                .refresh_token
                .clone()
                .ok_or(AccessError::NotRefreshable)?,
        })
    }

    async fn exchange(&self, needed: &Needed) -> Result<Tokens, OAuthError> {
        let Needed {
            server,
            client_id,
            client_secret,
            refresh_token,
        } = needed;
        let deadline = Instant::now() + self.parts.timeout;
        let client = &self.parts.client;
        client
            .refresh(server, client_id, client_secret, refresh_token, deadline)
            .await
    }

    /// Stores the new pair. Nobody sees it before it is stored, and nothing but the end of the process keeps it from being
    /// stored: the refresh token that bought it works no more.
    async fn keep(&self, tenant: &StoredTenant, tokens: &Tokens, end: RefreshEnd) -> Refreshed {
        if let (Some(known), Some(told)) = (&tenant.member_id, &tokens.member_id)
            && known != told
        {
            return self.mark(OTHER_PORTAL, None).await;
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
                    // A portal that has removed the application meanwhile stays marked: its next call tells.
                    tenant
                        .reauthorization
                        .take_if(|mark| mark.cause != super::UNINSTALLED);
                    if tenant.member_id.is_none() {
                        tenant.member_id.clone_from(&tokens.member_id);
                    }
                    Ok(())
                })
                .await;
            match stored {
                Ok(stored) => return Ok((end, self.parts.directory.put(&stored).await?)),
                Err(ModifyError::NotFound) => return Err(AccessError::Gone),
                Err(ModifyError::Refused(Superseded)) => return self.adopt_what_is_stored().await,
                Err(ModifyError::Store(error)) => {
                    let error = chain(&error);
                    tracing::error!(tenant = %self.id, error, "a new pair of tokens is not stored yet; trying again");
                    self.parts.metrics.token_not_stored();
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(STORE_AGAIN.1);
                }
            }
        }
    }

    async fn refused(
        &self,
        refusal: &OAuthRefusal,
        circumstances: &Circumstances<'_>,
    ) -> Refreshed {
        let Circumstances {
            tenant,
            was_lost,
            is_abandoned,
        } = *circumstances;
        // Another replica, or an administrator, may have been faster. Whoever has fallen silent with the lease gets a while to
        // store what it may have bought.
        let silent_until = Instant::now()
            + if is_abandoned {
                SILENCE
            } else {
                Duration::ZERO
            };
        loop {
            match self.adopt_what_is_stored().await {
                Err(AccessError::NotRefreshable) => {}
                decided => return decided,
            }
            if refusal.consequence() != Consequence::GrantInvalid || Instant::now() >= silent_until
            {
                break;
            }
            tokio::time::sleep(STORE_AGAIN.1).await;
        }
        let cause: String = refusal.code.chars().take(CAUSE).collect();
        match refusal.consequence() {
            Consequence::RetryLater => Err(unavailable(&refusal.code)),
            Consequence::GrantInvalid if was_lost => self.mark(ANSWER_LOST, None).await,
            Consequence::GrantInvalid => self.mark(&cause, None).await,
            // It may be about a client secret that was corrected meanwhile.
            Consequence::NeedsReauthorization => self.mark(&cause, Some(tenant.revision)).await,
        }
    }

    /// Marks the tenant: a person has to act. With a revision, only if nothing was changed since.
    async fn mark(&self, cause: &str, revision: Option<i64>) -> Refreshed {
        let mut is_new = false;
        let marked = self.parts.store.modify(&self.id, |tenant| {
            if revision.is_some_and(|revision| revision != tenant.revision) {
                return Err(Superseded);
            }
            current(tenant, self.stale)?;
            let mark = tenant.reauthorization.as_ref();
            is_new = mark.is_none_or(|mark| mark.cause != cause);
            tenant.reauthorization = Some(Reauthorization {
                cause: cause.to_owned(),
                since: Timestamp::now(),
            });
            Ok(())
        });
        match marked.await {
            Ok(stored) => {
                if is_new {
                    let action = Action::ReauthorizationRequired;
                    audit::record(Actor::Service, action, &self.id, cause);
                }
                // The tenant may have become unusable for another reason, which the next call tells.
                let _ = self.parts.directory.put(&stored).await;
            }
            Err(ModifyError::NotFound) => return Err(AccessError::Gone),
            Err(ModifyError::Refused(Superseded)) => {
                return match self.adopt_what_is_stored().await {
                    Err(AccessError::NotRefreshable) => {
                        Err(unavailable("the tenant was changed meanwhile"))
                    }
                    decided => decided,
                };
            }
            Err(ModifyError::Store(error)) => {
                tracing::warn!(tenant = %self.id, error = chain(&error), "a mark is not stored");
            }
        }
        let cause = cause.to_owned();
        Err(AccessError::ReauthorizationRequired { cause })
    }

    /// Takes over the stored pair if it is another one; [`AccessError::NotRefreshable`] if it is still the same.
    async fn adopt_what_is_stored(&self) -> Refreshed {
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

/// The application whose pair of tokens is still the one to be replaced.
fn current(tenant: &mut StoredTenant, stale: i64) -> Result<&mut StoredApplication, Superseded> {
    match &mut tenant.credentials {
        StoredCredentials::Application(application) if application.generation == stale => {
            Ok(application)
        }
        StoredCredentials::Application(_) | StoredCredentials::Webhook { .. } => Err(Superseded),
    }
}

fn unavailable(failure: &str) -> AccessError {
    AccessError::AuthorizationServerUnavailable {
        failure: failure.to_owned(),
    }
}
