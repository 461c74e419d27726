//! The trial of an application's access: the authorization server says whose the access token is.

use secrecy::SecretString;

use super::{Report, Trial};
use crate::admin::Tenants;
use crate::error::Error;
use crate::tenant::{AccessError, ResolveError};
use bitrix24::{ApplicationInfo, AuthorizationServer, Credential, InvalidAuthorizationServer};
use store::StoredApplication;

impl Trial<'_> {
    pub(super) async fn application(&self, application: &StoredApplication) -> Report {
        let server = match self.server(application) {
            Ok(server) => server,
            Err(fault) => {
                return Report::unusable(format!(
                    "Nothing was asked: the tenant's authorization server {fault}."
                ));
            }
        };
        if application.access_token.is_none() && application.refresh_token.is_none() {
            return Report::unusable(
                "Nothing was asked: the tenant has no token. Enter tokens, or let the portal's administrator install the \
                 application again.",
            );
        }
        let who = format!("The authorization server {server}");
        let access_token = match self.access_token(application).await {
            Ok(Some(access_token)) => access_token,
            Ok(None) => {
                return Report::unusable(
                    "Nothing was asked: the tenant has no access token, and none is refreshed for it in its present state.",
                );
            }
            Err(error) => return Report::failed(error, self.call, &who),
        };
        let client = &self.service.client;
        let answer = client
            .application_info(&server, &access_token, self.deadline)
            .await;
        match answer {
            Ok(info) => self.compare(&who, &info, application),
            Err(error) => Report::failed(error.into(), self.call, &who),
        }
    }

    fn server(
        &self,
        application: &StoredApplication,
    ) -> Result<AuthorizationServer, InvalidAuthorizationServer> {
        let judgement = &self.service.judgement;
        match &application.authorization_server {
            None => Ok(judgement.default_server.clone()),
            Some(server) => AuthorizationServer::parse(server, &judgement.policy),
        }
    }

    /// The token that the next call would use, refreshed if it has expired. The token of a disabled
    /// tenant is not refreshed.
    async fn access_token(
        &self,
        application: &StoredApplication,
    ) -> Result<Option<SecretString>, Error> {
        let Tenants {
            directory, access, ..
        } = self.service;
        let grant = self.caller.grant_managed(&self.tenant.id);
        let grant = grant.ok_or(ResolveError::NotPermitted)?;
        let tenant = match directory.resolve(&grant).await {
            Ok(tenant) => tenant,
            Err(ResolveError::Unusable(_)) => return Ok(application.access_token.clone()),
            Err(error) => return Err(error.into()),
        };
        match access.verify(tenant, self.deadline).await {
            Ok(opened) => Ok(match opened.credential() {
                Credential::Application { access_token } => Some(access_token.clone()),
                Credential::Webhook { .. } => None,
            }),
            // Only the server knows whether the token has really expired.
            Err(AccessError::NotRefreshable) => Ok(application.access_token.clone()),
            Err(error) => Err(error.into()),
        }
    }

    /// Compares the server's information on the token with the stored tenant. A value that either
    /// lacks does not disagree.
    fn compare(
        &self,
        who: &str,
        info: &ApplicationInfo,
        application: &StoredApplication,
    ) -> Report {
        let explanation = format!("{who} knows the access token.");
        let mut report = Report::accepted(explanation, info.scopes.clone());
        if let (Some(stored), Some(found)) = (&application.client_id, &info.client_id)
            && stored != found
        {
            report.mismatch(
                "application.client_id",
                format!(
                    "is {stored}, and the access token belongs to the application {found}; correct it, or enter the right \
                     tokens"
                ),
            );
        }
        if let (Some(stored), Some(found)) = (&self.tenant.member_id, &info.member_id)
            && stored != found
        {
            report.mismatch(
                "member_id",
                format!(
                    "is {stored}, and the access token belongs to the portal {found}; enter the right tokens"
                ),
            );
        }
        let portal = &self.tenant.portal;
        if let Some(found) = &info.portal
            && found != portal
        {
            report.mismatch(
                "portal",
                format!("is {portal}, and the access token belongs to {found}; correct it, or enter the right tokens"),
            );
        }
        if info.installed == Some(false) {
            report.find(
                "application",
                "is not installed completely; let the portal's administrator finish the installation".to_owned(),
            );
        }
        report.require_scopes("application.scopes", &["imopenlines", "imconnector"]);
        report
    }
}
