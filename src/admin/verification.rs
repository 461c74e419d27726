//! The trial of a tenant's credentials, without any effect on its portal.

mod application;
mod report;
mod webhook;

use tokio::time::Instant;

use self::report::Report;
use super::Tenants;
use crate::api::openlines::tenants::v1::VerifyTenantResponse;
use crate::auth::Caller;
use crate::call::CallIdentity;
use bitrix24::PortalAddress;
use store::{StoredCredentials, StoredTenant};

/// A trial of a tenant's credentials.
pub(super) struct Trial<'a> {
    pub(super) service: &'a Tenants,
    pub(super) tenant: &'a StoredTenant,
    pub(super) caller: &'a Caller,
    pub(super) call: &'a CallIdentity,
    pub(super) deadline: Instant,
}

impl Trial<'_> {
    /// Tries the credentials.
    pub(super) async fn run(self) -> VerifyTenantResponse {
        let report = match PortalAddress::parse(&self.tenant.portal, &self.service.judgement.policy)
        {
            Err(fault) => Report::unusable(format!(
                "Nothing was incoming: the tenant's portal {fault}."
            )),
            Ok(portal) => match &self.tenant.credentials {
                StoredCredentials::Webhook { user_id, secret } => {
                    self.webhook(&portal, *user_id, secret).await
                }
                StoredCredentials::Application(application) => self.application(application).await,
            },
        };
        report.into_response(self.call)
    }
}
