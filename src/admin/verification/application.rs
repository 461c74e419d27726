//! The trial of an application's access: the authorization server is asked whose the access token is.

use secrecy::SecretString;
use tokio::time::Instant;

use super::{Trial, Verifier};
use crate::bitrix24::{ApplicationInfo, AuthorizationServer, InvalidAuthorizationServer};
use crate::error::{CallIdentity, Error};
use crate::tenant::{StoredApplication, StoredTenant};

impl Verifier {
    pub(super) async fn application(
        &self,
        tenant: &StoredTenant,
        application: &StoredApplication,
        call: &CallIdentity,
        deadline: Instant,
    ) -> Trial {
        let server = match self.server(application) {
            Ok(server) => server,
            Err(fault) => {
                return Trial::unusable(format!(
                    "Nothing was asked: the tenant's authorization server {fault}."
                ));
            }
        };
        let Some(access_token) = self.access_token(application).await else {
            return Trial::unusable(
                "Nothing was asked: the tenant has no access token. Enter tokens, or install the application again.",
            );
        };
        let answer = self
            .client
            .application_info(&server, &access_token, deadline)
            .await;
        let who = format!("The authorization server {server}");
        match answer {
            Ok(info) => compare(&who, &info, tenant, application),
            Err(error) => Trial::failed(Error::Authorization(error), call, &who),
        }
    }

    fn server(
        &self,
        application: &StoredApplication,
    ) -> Result<AuthorizationServer, InvalidAuthorizationServer> {
        match &application.authorization_server {
            None => Ok(self.default_server.clone()),
            Some(server) => AuthorizationServer::parse(server, &self.policy),
        }
    }

    /// The one place where the token that is tried comes from.
    async fn access_token(&self, application: &StoredApplication) -> Option<SecretString> {
        application.access_token.clone()
    }
}

/// Compares what the authorization server says of the token with what is stored. What either does not know cannot
/// disagree.
fn compare(
    who: &str,
    info: &ApplicationInfo,
    tenant: &StoredTenant,
    application: &StoredApplication,
) -> Trial {
    let mut trial = Trial::accepted(
        format!("{who} knows the access token."),
        info.scopes.clone(),
    );
    if let (Some(stored), Some(found)) = (&application.client_id, &info.client_id)
        && stored != found
    {
        trial.mismatch(
            "application.client_id",
            format!("is {stored}, and the access token belongs to the application {found}; correct it, or enter the right tokens"),
        );
    }
    if let (Some(stored), Some(found)) = (&tenant.member_id, &info.member_id)
        && stored != found
    {
        trial.mismatch(
            "member_id",
            format!("is {stored}, and the access token belongs to the portal {found}; enter the right tokens"),
        );
    }
    if let Some(found) = &info.portal
        && *found != tenant.portal
    {
        trial.mismatch(
            "portal",
            format!("is {}, and the access token belongs to {found}; correct it, or enter the right tokens", tenant.portal),
        );
    }
    if info.installed == Some(false) {
        trial.find(
            "application",
            "is not installed completely; let the portal's administrator finish the installation"
                .to_owned(),
        );
    }
    trial.require_scopes("application.scopes", &["imopenlines", "imconnector"]);
    trial
}
