//! The token endpoint of the authorization server, on the same listener as the portals.
//!
//! Source: pages "oauth" and "auto-renewal".

use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::error::OAuthError;
use crate::portal::{Application, TokenState};
use crate::request::{GrantType, Origin, TokenRequest};
use crate::response::JsonResponse;
use crate::simulator::{RunningPortal, Simulator};
use crate::state::NewPair;

/// Host names of the authorization server start with this, those of portals do not.
const HOST_PREFIX: &str = "oauth.";

/// Whether a `Host` header names the authorization server.
pub(crate) fn is_host(host: &str) -> bool {
    host.starts_with(HOST_PREFIX)
}

/// Grants tokens or refuses to. The order of the checks is inferred.
pub(crate) fn respond(
    simulator: &Simulator,
    portal: &RunningPortal,
    request: &TokenRequest,
    origin: &Origin,
) -> Result<JsonResponse, OAuthError> {
    let grant_type = request.grant_type()?;
    let client_id = request.require("client_id")?;
    let client_secret = request.require("client_secret")?;
    let proof = request.require(grant_type.parameter())?;
    let (switches, now) = (simulator.switches().clone(), simulator.now(portal));

    let client_endpoint = simulator.endpoint(portal, origin);
    let mut state = portal.state();
    let application = state.definition.application(&client_id).cloned();
    let application = application.ok_or(OAuthError::WRONG_CLIENT)?;
    if application.client_secret.expose_secret() != client_secret {
        return Err(OAuthError::INVALID_CLIENT);
    }
    if !application.installed {
        return Err(OAuthError::NOT_INSTALLED);
    }
    let pair = match grant_type {
        GrantType::AuthorizationCode => state.grants.exchange(&client_id, &proof, now, &switches),
        GrantType::RefreshToken => state.grants.refresh(&client_id, &proof, now, &switches),
    };
    let pair = pair.ok_or(OAuthError::INVALID_GRANT)?;
    if let Some(replaced) = &pair.replaced {
        state.set_listed_token_state(replaced.expose_secret(), TokenState::Expired);
    }
    let member_id = &state.definition.member_id;
    let document = document(&application, &pair, member_id, &client_endpoint, origin);
    Ok(JsonResponse::ok(document))
}

/// The response with a new pair of tokens.
pub(crate) fn document(
    application: &Application,
    pair: &NewPair,
    member_id: &str,
    client_endpoint: &str,
    origin: &Origin,
) -> Value {
    json!({
        "access_token": pair.access_token.expose_secret(),
        "refresh_token": pair.refresh_token.expose_secret(),
        "expires": pair.expires.as_second(),
        "expires_in": pair.seconds,
        "scope": application.scopes.join(","),
        // The authorization server's, not the portal's.
        "domain": origin.host,
        "server_endpoint": origin.endpoint(),
        "client_endpoint": client_endpoint,
        "status": application.status,
        "member_id": member_id,
        "user_id": pair.user_id,
    })
}
