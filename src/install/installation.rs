//! Verifies an installation and makes its portal a tenant.

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::comparison::{in_order, same};
use super::event_result::EventResult;
use super::notice::Installed;
use super::work::{Retry, Work};
use crate::audit::{self, Action, Actor};
use crate::tenant::Application;
use bitrix24::TenantId;
use bitrix24::{
    ApplicationInfo, AuthorizationServer, Consequence, OAuthError, Policy, PortalAddress,
    token_life,
};
use store::{CreateError, ModifyError, Origin, StoredApplication, StoredCredentials, StoredTenant};

/// An installation that the authorization server confirmed.
struct Proven<'a> {
    installed: &'a Installed,
    server: AuthorizationServer,
    portal: PortalAddress,
    /// In the store's form.
    portal_text: String,
    scopes: Vec<String>,
    expires_at: Timestamp,
}

impl Work {
    /// Verifies an installation and stores it.
    pub(super) async fn installation(
        &self,
        application: &Application,
        installed: &Installed,
        arrived: Timestamp,
    ) -> Result<EventResult, Retry> {
        let policy = &self.endpoint.policy;
        let server = match installed.allowed_server(policy) {
            Ok(server) => server,
            Err(outcome) => return Ok(outcome),
        };
        let (client_id, member_id) = (&application.client_id, &installed.member_id);
        let known = self.endpoint.store.of_member(client_id, member_id).await?;
        if let Some(tenant) = known
            && let Err(outcome) = installed.is_news_to(&tenant)
        {
            return Ok(outcome);
        }
        let deadline = Instant::now() + self.endpoint.timeout;
        let asked = &self.endpoint.client;
        let asked = asked.application_info(&server, &installed.access_token, deadline);
        let info = asked.await.map_err(|error| retry(&error))?;
        let portal_text = match installed.confirmed_portal(application, &info) {
            Ok(portal) => portal,
            Err(outcome) => return Ok(outcome),
        };
        let Ok(portal) = PortalAddress::parse(&portal_text, policy) else {
            return Ok(EventResult::PortalNotAllowed);
        };
        let proven = Proven {
            installed,
            server,
            portal,
            portal_text,
            scopes: if info.scopes.is_empty() {
                installed.scopes.clone()
            } else {
                info.scopes
            },
            expires_at: installed.expires_at(arrived),
        };
        self.store(application, &proven).await
    }

    /// Creates the tenant, or gives an existing one its new tokens.
    async fn store(
        &self,
        application: &Application,
        proven: &Proven<'_>,
    ) -> Result<EventResult, Retry> {
        let (store, installed) = (&self.endpoint.store, proven.installed);
        let (client_id, member_id) = (&application.client_id, &installed.member_id);
        let mut known = store.of_member(client_id, member_id).await?;
        if known.is_none() {
            let Some(tenant) = proven.tenant(application) else {
                return Ok(EventResult::IdTaken);
            };
            match store.create(&tenant).await {
                Ok(tenant) => {
                    proven.audit(application, Action::Created, &tenant.id);
                    return Ok(EventResult::Created);
                }
                Err(CreateError::Store(error)) => return Err(error.into()),
                Err(CreateError::Outdated) => return Ok(EventResult::OutOfTime),
                // Another event of the portal was faster, or another tenant has the id.
                Err(CreateError::AlreadyExists) => {
                    known = store.of_member(client_id, member_id).await?;
                }
            }
        }
        let Some(known) = known else {
            return Ok(EventResult::IdTaken);
        };
        let modified = store.modify(&known.id, |tenant| {
            // Inside the transaction, so that the newer one of two concurrent events wins.
            installed.is_in_order(tenant)?;
            installed.is_news_to(tenant)?;
            proven.update(application, tenant)
        });
        match modified.await {
            Ok(tenant) => {
                proven.audit(application, Action::Reinstalled, &tenant.id);
                Ok(EventResult::Reinstalled)
            }
            Err(ModifyError::Refused(outcome)) => Ok(outcome),
            // It was just deleted: the next attempt creates it.
            Err(ModifyError::NotFound) => Err(Retry(EventResult::GaveUp)),
            Err(ModifyError::Store(error)) => Err(error.into()),
        }
    }
}

impl Installed {
    /// The authorization server, if the operator allows it and the addresses of the portal.
    pub(super) fn allowed_server(
        &self,
        policy: &Policy,
    ) -> Result<AuthorizationServer, EventResult> {
        let server = AuthorizationServer::parse(&self.server_endpoint, policy)
            .map_err(|_| EventResult::ServerNotListed)?;
        let is_allowed = |portal: &String| PortalAddress::parse(portal, policy).is_ok();
        let are_allowed = self.portals.iter().all(is_allowed);
        are_allowed
            .then_some(server)
            .ok_or(EventResult::PortalNotAllowed)
    }

    /// Whether no newer event of the tenant was applied, here or by another replica.
    pub(super) fn is_in_order(&self, tenant: &StoredTenant) -> Result<(), EventResult> {
        in_order(self.sent_at, tenant)
    }

    /// Whether the tenant lacks these tokens, or does not know how new they are.
    pub(super) fn is_news_to(&self, tenant: &StoredTenant) -> Result<(), EventResult> {
        let has_tokens = tenant.application().is_some_and(|known| {
            same(known.access_token.as_ref(), &self.access_token)
                || same(known.refresh_token.as_ref(), &self.refresh_token)
        });
        let is_dated = tenant
            .last_event
            .is_some_and(|newest| newest >= self.sent_at);
        if has_tokens && is_dated {
            Err(EventResult::AlreadyKnown)
        } else {
            Ok(())
        }
    }

    /// The portal's address, if the authorization server confirms the event's claims.
    fn confirmed_portal(
        &self,
        application: &Application,
        info: &ApplicationInfo,
    ) -> Result<String, EventResult> {
        if info.client_id.as_ref() != Some(&application.client_id) {
            return Err(EventResult::ForeignApplication);
        }
        if info.member_id.as_ref() != Some(&self.member_id) {
            return Err(EventResult::ForeignPortal);
        }
        let confirmed = info.portal.clone().ok_or(EventResult::ForeignPortal)?;
        let is_confirmed = self.portals.iter().all(|told| *told == confirmed);
        is_confirmed
            .then_some(confirmed)
            .ok_or(EventResult::ForeignPortal)
    }

    /// When the access token expires, by this machine's clock.
    fn expires_at(&self, arrived: Timestamp) -> Timestamp {
        let life = token_life(self.expires_in_seconds);
        let life = SignedDuration::try_from(life).unwrap_or(SignedDuration::MAX);
        let begun = self.sent_at.min(arrived);
        begun.checked_add(life).unwrap_or(Timestamp::MAX)
    }
}

impl Proven<'_> {
    /// The portal as a new tenant; `None` if its ids do not form a tenant id.
    fn tenant(&self, application: &Application) -> Option<StoredTenant> {
        let member_id = self.installed.member_id.as_str().to_ascii_lowercase();
        let id = TenantId::parse(&format!("{}.{member_id}", application.name)).ok()?;
        let mut credentials = StoredApplication::default();
        self.grant(application, &mut credentials);
        Some(StoredTenant {
            id,
            display_name: self.portal.host().to_owned(),
            portal: self.portal_text.clone(),
            member_id: Some(self.installed.member_id.clone()),
            plan: None,
            credentials: StoredCredentials::Application(credentials),
            disabled: false,
            reauthorization: None,
            origin: Origin::Installation,
            file_fingerprint: None,
            last_event: Some(self.installed.sent_at),
            revision: 0,
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
        })
    }

    /// Gives a tenant the new tokens. Does not enable a disabled tenant.
    fn update(
        &self,
        application: &Application,
        tenant: &mut StoredTenant,
    ) -> Result<(), EventResult> {
        let StoredCredentials::Application(credentials) = &mut tenant.credentials else {
            return Err(EventResult::IdTaken);
        };
        self.grant(application, credentials);
        tenant.portal.clone_from(&self.portal_text);
        tenant.reauthorization = None;
        tenant.last_event = Some(self.installed.sent_at);
        Ok(())
    }

    fn grant(&self, application: &Application, credentials: &mut StoredApplication) {
        let installed = self.installed;
        credentials.client_id = Some(application.client_id.clone());
        credentials.authorization_server = Some(self.server.authority().to_owned());
        credentials.application_token = Some(installed.application_token.clone());
        credentials.scopes.clone_from(&self.scopes);
        credentials.access_token = Some(installed.access_token.clone());
        credentials.access_token_expires_at = Some(self.expires_at);
        credentials.refresh_token = Some(installed.refresh_token.clone());
    }

    fn audit(&self, application: &Application, action: Action, tenant: &TenantId) {
        let facts = format!(
            "portal {}, authorization server {}",
            self.portal, self.server
        );
        let actor = Actor::Portal(application.name.as_str());
        audit::record(actor, action, tenant, &facts);
    }
}

/// The consequence of a failed request to an authorization server.
fn retry(error: &OAuthError) -> Retry {
    let is_refusal = match error {
        OAuthError::NotSent(_)
        | OAuthError::Unanswered(_)
        | OAuthError::Limited { .. }
        | OAuthError::RefusedInFront(_) => false,
        OAuthError::Refused(refusal) => refusal.consequence() != Consequence::RetryLater,
    };
    if is_refusal {
        return Retry(EventResult::TokenRefused);
    }
    tracing::warn!(%error, "cannot verify an installation; retrying");
    Retry(EventResult::GaveUp)
}
