//! A tenant as callers see it: without its secrets.

use super::{etag, name, plan, time};
use crate::api::openlines::tenants::v1::tenant::{Credentials, Origin, State};
use crate::api::openlines::tenants::v1::{
    ApplicationCredentials, Reauthorization, Tenant, WebhookCredentials,
};
use store::{StoredApplication, StoredCredentials, StoredTenant};

/// The state of a tenant. That it is switched off hides that its credentials do not work.
pub(super) fn state(tenant: &StoredTenant) -> State {
    if tenant.disabled {
        State::Disabled
    } else if tenant.reauthorization.is_some() {
        State::ReauthorizationRequired
    } else {
        State::Active
    }
}

/// The tenant without its secrets.
pub(super) fn of(stored: &StoredTenant) -> Tenant {
    let reauthorization = stored
        .reauthorization
        .as_ref()
        .map(|required| Reauthorization {
            cause: required.cause.clone(),
            occur_time: Some(time::of_stored(required.since)),
        });
    Tenant {
        name: name::of(&stored.id),
        display_name: stored.display_name.clone(),
        portal: stored.portal.clone(),
        plan: stored.plan.map(plan::of_stored),
        credentials: Some(match &stored.credentials {
            StoredCredentials::Webhook { user_id, secret: _ } => {
                Credentials::Webhook(WebhookCredentials {
                    // What the API took in fits; only a tenants file can hold more.
                    user_id: i64::try_from(*user_id).unwrap_or(i64::MAX),
                    secret: String::new(),
                    has_secret: true,
                })
            }
            StoredCredentials::Application(application) => {
                Credentials::Application(application_of(application))
            }
        }),
        state: state(stored).into(),
        reauthorization,
        member_id: stored
            .member_id
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        origin: match stored.origin {
            store::Origin::File => Origin::File,
            store::Origin::Api => Origin::Api,
            store::Origin::Installation => Origin::Installation,
        }
        .into(),
        etag: etag::of(stored),
        create_time: Some(time::of_stored(stored.created_at)),
        update_time: Some(time::of_stored(stored.updated_at)),
    }
}

fn application_of(stored: &StoredApplication) -> ApplicationCredentials {
    let StoredApplication {
        client_id,
        client_secret,
        authorization_server,
        application_token,
        scopes,
        generation,
        access_token,
        access_token_expires_at,
        refresh_token,
    } = stored;
    ApplicationCredentials {
        client_id: client_id
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        client_secret: String::new(),
        authorization_server: authorization_server.clone().unwrap_or_default(),
        application_token: String::new(),
        access_token: String::new(),
        access_token_expire_time: access_token_expires_at.map(time::of_stored),
        refresh_token: String::new(),
        has_client_secret: client_secret.is_some(),
        has_application_token: application_token.is_some(),
        has_access_token: access_token.is_some(),
        has_refresh_token: refresh_token.is_some(),
        scopes: scopes.clone(),
        token_generation: *generation,
    }
}
