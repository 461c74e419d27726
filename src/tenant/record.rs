//! A tenant as the directory holds it: judged by the operator's settings, ready for calls.

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

/// How long before its expiry a token counts as expiring: a call that needs it then refreshes it, so that the call does not meet
/// the expiry on its way.
const AHEAD: Duration = Duration::from_secs(60);

/// By what stored tenants are judged.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// Which portals and authorization servers may be called.
    pub policy: Policy,
    /// The authorization server of tenants that name none.
    pub default_server: AuthorizationServer,
    /// The applications whose secrets stand in the settings.
    pub applications: Applications,
}

/// A tenant that calls can be made for, as far as is known without asking the portal.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) id: TenantId,
    pub(super) revision: i64,
    pub(super) portal: PortalAddress,
    pub(super) plan: Plan,
    pub(super) member_id: Option<MemberId>,
    pub(super) access: Access,
    pub(super) reauthorization: Option<Reauthorization>,
}

/// What opens the portal.
#[derive(Debug)]
pub(super) enum Access {
    Webhook(Arc<Credential>),
    Application(Grant),
}

/// The current pair of tokens, without what buys the next one.
#[derive(Debug)]
pub(super) struct Grant {
    pub(super) generation: i64,
    pub(super) token: Option<Arc<Credential>>,
    pub(super) expires: Option<Instant>,
    /// Whether there is a refresh token, and an application to use it.
    pub(super) is_refreshable: bool,
    pub(super) server: AuthorizationServer,
}

/// Why calls cannot be made for a stored tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// It is switched off.
    #[error("the tenant is disabled")]
    Disabled,
    /// The operator's settings do not allow its portal.
    #[error("the tenant's portal {0}")]
    Portal(#[from] InvalidPortal),
    /// The operator's settings do not allow its authorization server.
    #[error("the tenant's authorization server {0}")]
    AuthorizationServer(#[from] InvalidAuthorizationServer),
    /// No key of the keyring opens its secrets.
    #[error("no key of the keyring opens the tenant's secrets")]
    Sealed,
    /// The store has something of it that this version does not understand.
    #[error("the tenant's entry in the store cannot be understood")]
    Unreadable,
}

/// What is known of a token's age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Freshness {
    /// Valid, or nobody said for how long.
    Fresh,
    /// Valid for less than [`AHEAD`].
    Expiring,
    /// Expired, or not there.
    Stale,
}

impl Record {
    pub(super) fn judge(stored: &StoredTenant, judgement: &Judgement) -> Result<Self, Unusable> {
        if stored.disabled {
            return Err(Unusable::Disabled);
        }
        let access = match &stored.credentials {
            StoredCredentials::Webhook { user_id, secret } => {
                Access::Webhook(Arc::new(Credential::Webhook {
                    user_id: *user_id,
                    secret: secret.clone(),
                }))
            }
            StoredCredentials::Application(application) => {
                Access::Application(Grant::judge(application, judgement)?)
            }
        };
        let portal = PortalAddress::parse(&stored.portal, &judgement.policy)?;
        Ok(Self {
            id: stored.id.clone(),
            revision: stored.revision,
            plan: stored.plan.unwrap_or_else(|| Plan::usual(&portal)),
            portal,
            member_id: stored.member_id.clone(),
            access,
            reauthorization: stored.reauthorization.clone(),
        })
    }

    /// Which pair of tokens this is; 0 for a webhook.
    pub(super) fn generation(&self) -> i64 {
        match &self.access {
            Access::Webhook(_) => 0,
            Access::Application(grant) => grant.generation,
        }
    }

    pub(super) fn grant(&self) -> Option<&Grant> {
        match &self.access {
            Access::Webhook(_) => None,
            Access::Application(grant) => Some(grant),
        }
    }
}

impl Grant {
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
            (Some(_), Some(expires)) if expires <= now + AHEAD => Freshness::Expiring,
            (Some(_), Some(_)) => Freshness::Fresh,
        }
    }
}

/// The secret that proves the application to the authorization server: the tenant's own, or the one in the settings.
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

/// A time of the calendar on the clock that does not jump; what has passed is now.
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
            revision: 1,
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
        };
        Record::judge(&stored, &judgement).unwrap().plan
    }

    #[test]
    fn the_plan_is_what_somebody_has_said_and_otherwise_the_usual_one() {
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
