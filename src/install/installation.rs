//! An installation is proven, and its portal becomes a tenant.

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use tokio::time::Instant;

use super::notice::Installed;
use super::outcome::Outcome;
use super::work::{Trouble, Work};
use crate::audit::{self, Action, Actor};
use crate::tenant::Application;
use bitrix24::TenantId;
use bitrix24::{
    ApplicationInfo, AuthorizationServer, Consequence, OAuthError, PortalAddress, token_life,
};
use store::{CreateError, ModifyError, Origin, StoredApplication, StoredCredentials, StoredTenant};

/// What the authorization server has confirmed of an installation.
struct Proven<'a> {
    installed: &'a Installed,
    server: AuthorizationServer,
    portal: PortalAddress,
    /// As the store keeps it.
    portal_text: String,
    scopes: Vec<String>,
    expires_at: Timestamp,
}

impl Work {
    /// Proves an installation and takes it over.
    pub(super) async fn installation(
        &self,
        application: &Application,
        installed: &Installed,
        arrived: Timestamp,
    ) -> Result<Outcome, Trouble> {
        let policy = &self.ends.policy;
        let Ok(server) = AuthorizationServer::parse(&installed.server_endpoint, policy) else {
            return Ok(Outcome::ServerNotListed);
        };
        let is_allowed = |portal: &String| PortalAddress::parse(portal, policy).is_ok();
        if !installed.portals.iter().all(is_allowed) {
            return Ok(Outcome::PortalNotAllowed);
        }
        let (client_id, member_id) = (&application.client_id, &installed.member_id);
        let known = self.ends.store.of_member(client_id, member_id).await?;
        if known.is_some_and(|tenant| installed.is_taken_over(&tenant)) {
            return Ok(Outcome::AlreadyKnown);
        }
        let deadline = Instant::now() + self.ends.timeout;
        let asked = &self.ends.client;
        let asked = asked.application_info(&server, &installed.access_token, deadline);
        let info = asked.await.map_err(|error| trouble(&error))?;
        let portal_text = match installed.confirmed_portal(application, &info) {
            Ok(portal) => portal,
            Err(outcome) => return Ok(outcome),
        };
        let Ok(portal) = PortalAddress::parse(&portal_text, policy) else {
            return Ok(Outcome::PortalNotAllowed);
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
        self.take_over(application, &proven).await
    }

    /// Enters the tenant, or gives the tenant that there is its new tokens.
    async fn take_over(
        &self,
        application: &Application,
        proven: &Proven<'_>,
    ) -> Result<Outcome, Trouble> {
        let (store, installed) = (&self.ends.store, proven.installed);
        let (client_id, member_id) = (&application.client_id, &installed.member_id);
        let mut known = store.of_member(client_id, member_id).await?;
        if known.is_none() {
            if !self.newest.enter(client_id, member_id, installed.sent_at) {
                return Ok(Outcome::OutOfTime);
            }
            let Some(tenant) = proven.tenant(application) else {
                return Ok(Outcome::IdTaken);
            };
            match store.create(&tenant).await {
                Ok(tenant) => {
                    proven.audit(application, Action::Created, &tenant.id);
                    return Ok(Outcome::Created);
                }
                Err(CreateError::Store(error)) => return Err(error.into()),
                // Another event of the portal was faster, or the id is somebody else's.
                Err(CreateError::AlreadyExists) => {
                    known = store.of_member(client_id, member_id).await?;
                }
            }
        }
        let Some(known) = known else {
            return Ok(Outcome::IdTaken);
        };
        let modified = store.modify(&known.id, |tenant| {
            if installed.is_taken_over(tenant) {
                return Err(Outcome::AlreadyKnown);
            }
            // Here, because nobody else writes now: of two events that come together the newer one wins.
            if !self.newest.enter(client_id, member_id, installed.sent_at) {
                return Err(Outcome::OutOfTime);
            }
            proven.refresh(application, tenant)
        });
        match modified.await {
            Ok(tenant) => {
                proven.audit(application, Action::Reinstalled, &tenant.id);
                Ok(Outcome::Reinstalled)
            }
            Err(ModifyError::Refused(outcome)) => Ok(outcome),
            // It was deleted a moment ago: the next attempt enters it.
            Err(ModifyError::NotFound) => Err(Trouble(Outcome::GaveUp)),
            Err(ModifyError::Store(error)) => Err(error.into()),
        }
    }
}

impl Installed {
    /// Whether a tenant has these tokens already.
    fn is_taken_over(&self, tenant: &StoredTenant) -> bool {
        tenant.application().is_some_and(|known| {
            same(known.access_token.as_ref(), &self.access_token)
                || same(known.refresh_token.as_ref(), &self.refresh_token)
        })
    }

    /// The portal's address, if the authorization server says of the token what the event says of itself.
    fn confirmed_portal(
        &self,
        application: &Application,
        info: &ApplicationInfo,
    ) -> Result<String, Outcome> {
        if info.client_id.as_ref() != Some(&application.client_id) {
            return Err(Outcome::ForeignApplication);
        }
        if info.member_id.as_ref() != Some(&self.member_id) {
            return Err(Outcome::ForeignPortal);
        }
        let confirmed = info.portal.clone().ok_or(Outcome::ForeignPortal)?;
        let is_confirmed = self.portals.iter().all(|told| *told == confirmed);
        is_confirmed
            .then_some(confirmed)
            .ok_or(Outcome::ForeignPortal)
    }

    /// When the access token expires by this machine's clock, if the event was not sent in the future.
    fn expires_at(&self, arrived: Timestamp) -> Timestamp {
        let life = token_life(self.expires_in_seconds);
        let life = SignedDuration::try_from(life).unwrap_or(SignedDuration::MAX);
        let begun = self.sent_at.min(arrived);
        begun.checked_add(life).unwrap_or(Timestamp::MAX)
    }
}

impl Proven<'_> {
    /// The portal as a new tenant. `None` if its ids make no tenant id.
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
            revision: 0,
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
        })
    }

    /// Gives a tenant the new tokens. Whether it is disabled is the operator's matter and stays.
    fn refresh(&self, application: &Application, tenant: &mut StoredTenant) -> Result<(), Outcome> {
        let StoredCredentials::Application(credentials) = &mut tenant.credentials else {
            return Err(Outcome::IdTaken);
        };
        self.grant(application, credentials);
        tenant.portal.clone_from(&self.portal_text);
        tenant.reauthorization = None;
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

/// Whether a stored secret is this one, in a time that does not depend on where they differ.
pub(super) fn same(stored: Option<&SecretString>, given: &SecretString) -> bool {
    stored.is_some_and(|stored| {
        let (stored, given) = (stored.expose_secret(), given.expose_secret());
        stored.as_bytes().ct_eq(given.as_bytes()).into()
    })
}

/// What a failed question to an authorization server means for an event.
fn trouble(error: &OAuthError) -> Trouble {
    let is_refusal = match error {
        OAuthError::NotSent(_) | OAuthError::Unanswered(_) => false,
        OAuthError::Refused(refusal) => refusal.consequence() != Consequence::RetryLater,
    };
    if is_refusal {
        return Trouble(Outcome::TokenRefused);
    }
    tracing::warn!(%error, "an installation cannot be proven for the moment");
    Trouble(Outcome::GaveUp)
}
