//! `/sandbox/oauth`: lists, grants and revokes tokens.

use http::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::fields::{ControlError, FieldError, Fields};
use crate::oauth;
use crate::portal::{Application, Portal};
use crate::request::{HttpRequest, Origin};
use crate::simulator::Simulator;
use crate::state::CODE_SECONDS;

/// Lists the applications of every portal, without secrets.
pub(super) fn applications(
    simulator: &Simulator,
    http: &HttpRequest,
) -> Result<Value, ControlError> {
    if http.method != Method::GET {
        return Err(ControlError::MethodNotAllowed);
    }
    let mut listed = Vec::new();
    for portal in simulator.portals() {
        let state = portal.state();
        for application in &state.definition.applications {
            listed.push(json!({
                "portal": portal.host,
                "member_id": state.definition.member_id,
                "client_id": application.client_id,
                "installed": application.installed,
                "current_pairs": state.grants.current(&application.client_id),
            }));
        }
    }
    let refreshes = simulator.recorder.read().refreshes();
    Ok(json!({"applications": listed, "refreshes": refreshes}))
}

/// Creates a code, as the authorization page does for a user who agrees.
pub(super) fn codes(simulator: &Simulator, http: &HttpRequest) -> Result<Value, ControlError> {
    let mut fields = Fields::posted(http)?;
    let portal = fields.portal(simulator)?;
    let mut state = portal.state();
    let (application, user_id) = user_of(&mut fields, &state.definition)?;
    let now = simulator.now(portal);
    let code = state.grants.new_code(&application.client_id, user_id, now);
    Ok(json!({"code": code.expose_secret(), "expires_in": CODE_SECONDS}))
}

/// Grants a pair of tokens, as an installation does.
pub(super) fn grants(simulator: &Simulator, http: &HttpRequest) -> Result<Value, ControlError> {
    let mut fields = Fields::posted(http)?;
    let portal = fields.portal(simulator)?;
    let origin = Origin::of(http);
    let (endpoint, switches) = (
        simulator.endpoint(portal, &origin),
        simulator.switches().clone(),
    );
    let mut state = portal.state();
    let (application, user_id) = user_of(&mut fields, &state.definition)?;
    let now = simulator.now(portal);
    let grants = &mut state.grants;
    let pair = grants.issue(&application.client_id, user_id, now, &switches);
    let member_id = &state.definition.member_id;
    Ok(oauth::document(
        &application,
        &pair,
        member_id,
        &endpoint,
        &origin,
    ))
}

/// Forgets the tokens of an application, or one pair by either of its tokens.
pub(super) fn revocations(
    simulator: &Simulator,
    http: &HttpRequest,
) -> Result<Value, ControlError> {
    let mut fields = Fields::posted(http)?;
    let client_id: Option<String> = fields.take("client_id")?;
    let token: Option<String> = fields.take("token")?;
    fields.finish()?;
    if client_id.is_none() && token.is_none() {
        return Err(FieldError::new("token", "or client_id is required").into());
    }
    Ok(json!({"revoked": simulator.revoke(client_id.as_deref(), token.as_deref())}))
}

/// The application that `client_id` names, and the user, by default 1.
fn user_of(fields: &mut Fields, definition: &Portal) -> Result<(Application, i64), FieldError> {
    let client_id: String = fields.require("client_id")?;
    let user_id: Option<i64> = fields.take("user_id")?;
    fields.finish()?;
    let application = definition.application(&client_id).cloned();
    let application = application.ok_or_else(|| FieldError::unknown("client_id"))?;
    Ok((application, user_id.unwrap_or(1)))
}
