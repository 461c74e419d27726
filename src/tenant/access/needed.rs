//! What a refresh sends.

use secrecy::SecretString;
use tokio::time::Instant;

use super::Parts;
use super::error::AccessError;
use crate::tenant::record::{Unusable, client_secret};
use bitrix24::{AuthorizationServer, ClientId, OAuthError, Tokens};
use store::StoredTenant;

/// The parts of the tenant that a refresh sends, and whom it asks.
pub(super) struct Needed {
    pub(super) server: AuthorizationServer,
    client_id: ClientId,
    client_secret: SecretString,
    refresh_token: SecretString,
}

impl Needed {
    /// # Errors
    ///
    /// [`AccessError::NotRefreshable`], and [`AccessError::Unusable`] if its server is not listed.
    pub(super) fn of(parts: &Parts, tenant: &StoredTenant) -> Result<Self, AccessError> {
        let judgement = parts.directory.judgement();
        let application = tenant.application().ok_or(AccessError::NotRefreshable)?;
        let secret = client_secret(application, &judgement.applications);
        let server = match &application.authorization_server {
            Some(address) => {
                AuthorizationServer::parse(address, &judgement.policy).map_err(Unusable::from)?
            }
            None => judgement.default_server.clone(),
        };
        Ok(Self {
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

    /// Asks for a new pair, once.
    pub(super) async fn exchange(&self, parts: &Parts) -> Result<Tokens, OAuthError> {
        let Self {
            server,
            client_id,
            client_secret,
            refresh_token,
        } = self;
        let deadline = Instant::now() + parts.timeout;
        let client = &parts.client;
        client
            .refresh(server, client_id, client_secret, refresh_token, deadline)
            .await
    }
}
