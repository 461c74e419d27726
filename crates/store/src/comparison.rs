//! Compares two states of a tenant.

use secrecy::{ExposeSecret, SecretString};

use crate::stored::{StoredApplication, StoredCredentials, StoredTenant};

/// Whether all fields that a caller may change are equal.
pub(crate) fn same(one: &StoredTenant, other: &StoredTenant) -> bool {
    let StoredTenant {
        id: _,
        display_name,
        portal,
        member_id,
        plan,
        credentials,
        disabled,
        reauthorization,
        origin,
        file_fingerprint,
        last_event,
        revision: _,
        created_at: _,
        updated_at: _,
    } = one;
    *display_name == other.display_name
        && *portal == other.portal
        && *member_id == other.member_id
        && *plan == other.plan
        && *disabled == other.disabled
        && *reauthorization == other.reauthorization
        && *origin == other.origin
        && *file_fingerprint == other.file_fingerprint
        && *last_event == other.last_event
        && same_credentials(credentials, &other.credentials)
}

/// Whether both states have the same token pair.
pub(crate) fn same_tokens(one: &StoredTenant, other: &StoredTenant) -> bool {
    tokens(one) == tokens(other)
}

fn tokens(tenant: &StoredTenant) -> Option<(Option<&str>, Option<&str>)> {
    let application = tenant.application()?;
    let access = exposed(application.access_token.as_ref());
    let refresh = exposed(application.refresh_token.as_ref());
    Some((access, refresh))
}

fn same_credentials(one: &StoredCredentials, other: &StoredCredentials) -> bool {
    use StoredCredentials::{Application, Webhook};
    match (one, other) {
        (
            Webhook { user_id, secret },
            Webhook {
                user_id: other_user,
                secret: other_secret,
            },
        ) => user_id == other_user && secret.expose_secret() == other_secret.expose_secret(),
        (Application(one), Application(other)) => same_application(one, other),
        (Webhook { .. }, Application(_)) | (Application(_), Webhook { .. }) => false,
    }
}

fn same_application(one: &StoredApplication, other: &StoredApplication) -> bool {
    let StoredApplication {
        client_id,
        client_secret,
        authorization_server,
        application_token,
        scopes,
        generation: _,
        access_token,
        access_token_expires_at,
        refresh_token,
    } = one;
    let same_secret = |one: &Option<SecretString>, other: &Option<SecretString>| {
        exposed(one.as_ref()) == exposed(other.as_ref())
    };
    *client_id == other.client_id
        && same_secret(client_secret, &other.client_secret)
        && *authorization_server == other.authorization_server
        && same_secret(application_token, &other.application_token)
        && *scopes == other.scopes
        && same_secret(access_token, &other.access_token)
        && *access_token_expires_at == other.access_token_expires_at
        && same_secret(refresh_token, &other.refresh_token)
}

fn exposed(secret: Option<&SecretString>) -> Option<&str> {
    secret.map(ExposeSecret::expose_secret)
}
