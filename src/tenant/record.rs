//! A tenant in the directory: checked against the operator's settings, ready for calls.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::applications::Applications;
use bitrix24::Plan;
use bitrix24::TenantId;
use bitrix24::{
    AuthorizationServer, Credential, InvalidAuthorizationServer, InvalidPortal, MemberId, Policy,
    PortalAddress,
};
use store::{Reauthorization, StoredApplication, StoredCredentials, StoredTenant};

/// A token that expires within this time is refreshed by the next call, so that it does not expire
/// in flight.
const EXPIRING: Duration = Duration::from_secs(60);

/// The settings that stored tenants are checked against.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// The portals and authorization servers that may be called.
    pub policy: Policy,
    /// The authorization server of tenants without their own.
    pub default_server: AuthorizationServer,
    /// The applications of the settings.
    pub applications: Applications,
}

/// A usable tenant, as far as known without asking the portal.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) id: TenantId,
    pub(super) revision: i64,
    pub(super) portal: PortalAddress,
    pub(super) plan: Plan,
    pub(super) member_id: Option<MemberId>,
    pub(super) credentials: Credentials,
    pub(super) reauthorization: Option<Reauthorization>,
}

#[derive(Debug)]
pub(super) enum Credentials {
    Webhook(Arc<Credential>),
    Application(ApplicationTokens),
}

/// The current access token of an application, without the refresh token.
#[derive(Debug)]
pub(super) struct ApplicationTokens {
    pub(super) generation: i64,
    pub(super) token: Option<Arc<Credential>>,
    pub(super) expires: Option<Instant>,
    /// Whether there is a refresh token, and an application to use it.
    pub(super) is_refreshable: bool,
    pub(super) server: AuthorizationServer,
}

/// Why a stored tenant cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    #[error("the tenant is disabled")]
    Disabled,
    #[error("the tenant's portal {0}")]
    Portal(#[from] InvalidPortal),
    #[error("the tenant's authorization server {0}")]
    AuthorizationServer(#[from] InvalidAuthorizationServer),
    #[error("no key of the keyring opens the tenant's secrets")]
    Sealed,
    #[error("this version cannot read the stored tenant")]
    Unreadable,
}

/// The state of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Freshness {
    /// Valid, or its expiry is unknown.
    Fresh,
    /// Expires within [`EXPIRING`].
    Expiring,
    /// Expired or missing.
    Stale,
}

impl Record {
    pub(super) fn judge(stored: &StoredTenant, judgement: &Judgement) -> Result<Self, Unusable> {
        if stored.disabled {
            return Err(Unusable::Disabled);
        }
        let credentials = match &stored.credentials {
            StoredCredentials::Webhook { user_id, secret } => {
                Credentials::Webhook(Arc::new(Credential::Webhook {
                    user_id: *user_id,
                    secret: secret.clone(),
                }))
            }
            StoredCredentials::Application(application) => {
                Credentials::Application(ApplicationTokens::judge(application, judgement)?)
            }
        };
        let portal = PortalAddress::parse(&stored.portal, &judgement.policy)?;
        Ok(Self {
            id: stored.id.clone(),
            revision: stored.revision,
            plan: stored.plan.unwrap_or_else(|| Plan::usual(&portal)),
            portal,
            member_id: stored.member_id.clone(),
            credentials,
            reauthorization: stored.reauthorization.clone(),
        })
    }

    /// The generation of the token pair; 0 for a webhook.
    pub(super) fn generation(&self) -> i64 {
        match &self.credentials {
            Credentials::Webhook(_) => 0,
            Credentials::Application(tokens) => tokens.generation,
        }
    }

    pub(super) fn tokens(&self) -> Option<&ApplicationTokens> {
        match &self.credentials {
            Credentials::Webhook(_) => None,
            Credentials::Application(tokens) => Some(tokens),
        }
    }
}

impl ApplicationTokens {
    fn judge(
        application: &StoredApplication,
        judgement: &Judgement,
    ) -> Result<Self, InvalidAuthorizationServer> {
        let server = match &application.authorization_server {
            Some(address) => AuthorizationServer::parse(address, &judgement.policy)?,
            None => judgement.default_server.clone(),
        };
        let token = application.access_token.as_ref().map(|access_token| {
            Arc::new(Credential::Application {
                access_token: access_token.clone(),
            })
        });
        Ok(Self {
            generation: application.generation,
            token,
            expires: application.access_token_expires_at.map(instant),
            is_refreshable: application.refresh_token.is_some()
                && client_secret(application, &judgement.applications).is_some(),
            server,
        })
    }

    pub(super) fn freshness(&self) -> Freshness {
        let now = Instant::now();
        match (&self.token, self.expires) {
            (None, _) => Freshness::Stale,
            (Some(_), None) => Freshness::Fresh,
            (Some(_), Some(expires)) if expires <= now => Freshness::Stale,
            (Some(_), Some(expires)) if expires <= now + EXPIRING => Freshness::Expiring,
            (Some(_), Some(_)) => Freshness::Fresh,
        }
    }
}

/// The client secret: the tenant's own, or the one in the settings.
pub(super) fn client_secret<'a>(
    application: &'a StoredApplication,
    applications: &'a Applications,
) -> Option<&'a secrecy::SecretString> {
    let client_id = application.client_id.as_ref()?;
    application.client_secret.as_ref().or_else(|| {
        let registered = applications.by_client_id(client_id)?;
        Some(&registered.client_secret)
    })
}

/// Converts a time to the monotonic clock; a past time becomes now.
fn instant(timestamp: Timestamp) -> Instant {
    let left = timestamp.duration_since(Timestamp::now());
    Instant::now() + Duration::try_from(left).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::{Judgement, Record};
    use crate::tenant::Applications;
    use bitrix24::{AuthorizationServer, HostName, Policy, Suffix};
    use bitrix24::{Plan, RateLimit, TenantId};
    use store::{Origin, StoredCredentials, StoredTenant};

    fn judged(plan: Option<Plan>) -> Plan {
        let policy = Policy {
            allowed_suffixes: vec![Suffix::parse("bitrix24.com").unwrap()],
            authorization_servers: vec![HostName::parse("oauth.bitrix.info").unwrap()],
            ..Policy::default()
        };
        let judgement = Judgement {
            default_server: AuthorizationServer::parse("oauth.bitrix.info", &policy).unwrap(),
            policy,
            applications: Applications::new(Vec::new()),
        };
        let stored = StoredTenant {
            id: TenantId::parse("acme").unwrap(),
            display_name: String::new(),
            portal: "acme.bitrix24.com".to_owned(),
            member_id: None,
            plan,
            credentials: StoredCredentials::Webhook {
                user_id: 1,
                secret: "a".into(),
            },
            disabled: false,
            reauthorization: None,
            origin: Origin::Api,
            file_fingerprint: None,
            last_event: None,
            revision: 1,
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
        };
        Record::judge(&stored, &judgement).unwrap().plan
    }

    #[test]
    fn the_plan_is_the_stored_one_and_otherwise_the_usual_one() {
        assert_eq!(judged(None), Plan::Standard);
        let own = Plan::Own(RateLimit {
            burst: 100,
            per_second: 3.0,
        });
        for plan in [Plan::Standard, Plan::Enterprise, Plan::Unlimited, own] {
            assert_eq!(judged(Some(plan)), plan);
        }
    }
}
