//! The authorization server, on the same listener as the portals. Source: pages "oauth" and "auto-renewal".
//!
//! In the record its requests have the methods [`METHODS`], and only faults that name one of these hit them.

mod error;
mod grants;
mod token_request;

pub use error::OAuthError;
pub use grants::GrantedPair;
pub(super) use grants::{CODE_SECONDS, Grants, Issued};
pub(super) use token_request::{GrantType, TokenRequest};

use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::answer::Answer;
use super::origin::Origin;
use super::portal::Application;
use super::world::{Place, World};

/// The name of token requests in the record and for faults.
pub(super) const METHOD: &str = "oauth.token";
/// What it is asked: for tokens, and whose a token is. Portals answer the second too.
pub(super) const METHODS: [&str; 2] = [METHOD, "app.info"];

/// The host part of an address that names the authorization server rather than a portal.
const HOST_PREFIX: &str = "oauth.";

/// Whether a `Host` header names the authorization server.
pub(super) fn is_host(host: &str) -> bool {
    host.starts_with(HOST_PREFIX)
}

/// Grants tokens, or says why not. The order of the checks is inferred.
pub(super) fn answer(
    world: &World,
    place: &Place,
    request: &TokenRequest,
    origin: &Origin,
) -> Result<Answer, OAuthError> {
    let grant_type = request.grant_type()?;
    let client_id = request.require("client_id")?;
    let client_secret = request.require("client_secret")?;
    let proof = request.require(grant_type.parameter())?;
    let (switches, now) = (world.switches().clone(), world.now(place));

    let client_endpoint = world.endpoint(place, origin);
    let mut state = place.state();
    let application = state.portal.applications.iter();
    let application = application
        .clone()
        .find(|known| known.client_id == client_id)
        .cloned()
        .ok_or(OAuthError::WRONG_CLIENT)?;
    if application.client_secret.expose_secret() != client_secret {
        return Err(OAuthError::INVALID_CLIENT);
    }
    if !application.installed {
        return Err(OAuthError::NOT_INSTALLED);
    }
    let issued = match grant_type {
        GrantType::AuthorizationCode => state.grants.exchange(&client_id, &proof, now, &switches),
        GrantType::RefreshToken => state.grants.refresh(&client_id, &proof, now, &switches),
    };
    let issued = issued.ok_or(OAuthError::INVALID_GRANT)?;
    if let Some(replaced) = &issued.replaced {
        state.expire_listed_token(replaced.expose_secret());
    }
    let member_id = state.portal.member_id.clone();
    drop(state);
    let document = document(&application, &issued, &member_id, &client_endpoint, origin);
    Ok(Answer {
        status: 200,
        document,
        error: None,
    })
}

/// What is told of a new pair of tokens.
pub(super) fn document(
    application: &Application,
    issued: &Issued,
    member_id: &str,
    client_endpoint: &str,
    origin: &Origin,
) -> Value {
    json!({
        "access_token": issued.access_token.expose_secret(),
        "refresh_token": issued.refresh_token.expose_secret(),
        "expires": issued.expires.as_second(),
        "expires_in": issued.seconds,
        "scope": application.scopes.join(","),
        // The authorization server's, not the portal's.
        "domain": origin.host,
        "server_endpoint": origin.endpoint(),
        "client_endpoint": client_endpoint,
        "status": application.status,
        "member_id": member_id,
        "user_id": issued.user_id,
    })
}

/// The refusal of a token request. Not every one has a text.
pub(super) fn refusal(error: OAuthError) -> Answer {
    let mut document = json!({"error": error.code});
    if let (Some(description), Some(fields)) = (error.description, document.as_object_mut()) {
        fields.insert("error_description".to_owned(), json!(description));
    }
    Answer {
        status: error.status,
        document,
        error: Some(error.code.to_owned()),
    }
}
