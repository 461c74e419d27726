//! `/sandbox/oauth`: what the authorization server has granted, and what no HTTP request can ask it for.

use http::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::{Problem, portal};
use crate::fields::{BadField, Fields};
use crate::oauth;
use crate::origin::Origin;
use crate::portal::Application;
use crate::world::{Arrived, World};

/// Lists the applications of every portal, without secrets.
pub(super) fn applications(world: &World, arrived: &Arrived) -> Result<Value, Problem> {
    if arrived.method != Method::GET {
        return Err(Problem::MethodNotAllowed);
    }
    let mut listed = Vec::new();
    for place in world.portals() {
        let state = place.state();
        for application in &state.portal.applications {
            listed.push(json!({
                "portal": place.host,
                "member_id": state.portal.member_id,
                "client_id": application.client_id,
                "installed": application.installed,
                "current_pairs": state.grants.current(&application.client_id),
            }));
        }
    }
    let refreshes = world.book.read().refreshes();
    Ok(json!({"applications": listed, "refreshes": refreshes}))
}

/// Makes a code, as the authorization page does for a user who agrees.
pub(super) fn codes(world: &World, arrived: &Arrived) -> Result<Value, Problem> {
    let mut fields = posted(arrived)?;
    let place = portal(world, &mut fields)?;
    let mut state = place.state();
    let (application, user_id) = user_of(&mut fields, &state.portal.applications)?;
    let now = world.now(place);
    let code = state.grants.new_code(&application.client_id, user_id, now);
    Ok(json!({"code": code.expose_secret(), "expires_in": oauth::CODE_SECONDS}))
}

/// Grants a pair of tokens, as an installation does.
pub(super) fn grants(world: &World, arrived: &Arrived) -> Result<Value, Problem> {
    let mut fields = posted(arrived)?;
    let place = portal(world, &mut fields)?;
    let origin = Origin::of(arrived);
    let (endpoint, switches) = (world.endpoint(place, &origin), world.switches().clone());
    let mut state = place.state();
    let (application, user_id) = user_of(&mut fields, &state.portal.applications)?;
    let now = world.now(place);
    let grants = &mut state.grants;
    let issued = grants.issue(&application.client_id, user_id, now, &switches);
    let member_id = state.portal.member_id.clone();
    Ok(oauth::document(
        &application,
        &issued,
        &member_id,
        &endpoint,
        &origin,
    ))
}

/// Forgets the tokens of an application, or one pair by either of its tokens.
pub(super) fn revocations(world: &World, arrived: &Arrived) -> Result<Value, Problem> {
    let mut fields = posted(arrived)?;
    let client_id: Option<String> = fields.take("client_id")?;
    let token: Option<String> = fields.take("token")?;
    fields.finish()?;
    if client_id.is_none() && token.is_none() {
        return Err(BadField::new("token", "or client_id is required").into());
    }
    Ok(json!({"revoked": world.revoke(client_id.as_deref(), token.as_deref())}))
}

fn posted(arrived: &Arrived) -> Result<Fields, Problem> {
    if arrived.method == Method::POST {
        Ok(Fields::read(&arrived.body)?)
    } else {
        Err(Problem::MethodNotAllowed)
    }
}

/// The application that `client_id` names, and the user, by default the one with the id 1.
fn user_of(
    fields: &mut Fields,
    applications: &[Application],
) -> Result<(Application, i64), BadField> {
    let client_id: String = fields.require("client_id")?;
    let user_id: Option<i64> = fields.take("user_id")?;
    if let Some(name) = fields.left().next() {
        return Err(BadField::new(name, "is unknown here"));
    }
    let mut known = applications.iter();
    let application = known
        .find(|known| known.client_id == client_id)
        .ok_or_else(|| BadField::new("client_id", "is unknown here"))?;
    Ok((application.clone(), user_id.unwrap_or(1)))
}
