//! The few methods that client libraries call to connect. They say the truth about the simulated portal in
//! the documented fields, and nothing more.

use serde_json::{Value, json};

use crate::dispatch::{Call, Done};
use crate::refusal::Refusal;
use crate::state::PortalState;

fn done(result: Value) -> Result<Done, Refusal> {
    Ok(Done {
        result,
        deliveries: Vec::new(),
    })
}

/// `app.info`: the application of the access token. Source: page "app-info", and what the authorization
/// server answers to it.
pub(super) fn app_info(call: &Call<'_>, state: &mut PortalState) -> Result<Done, Refusal> {
    let caller = call.caller.application.as_ref();
    let caller = caller.ok_or(Refusal::ApplicationRequired)?;
    let mut applications = state.portal.applications.iter();
    let application = applications.find(|known| known.client_id == caller.client_id);
    let application = application.ok_or(Refusal::ApplicationRequired)?;
    let scope = application.scopes.join(",");
    done(json!({
        "client_id": application.client_id,
        "scope": scope,
        "expires": caller.expires.as_second(),
        "install": {
            "installed": application.installed,
            "version": "1",
            "status": application.status,
            "scope": scope,
            "domain": call.circumstances.domain(),
            "uri": call.circumstances.client_endpoint,
            "client_endpoint": call.circumstances.client_endpoint,
            "member_id": state.portal.member_id,
            "member_type": "PORTAL",
        },
        "user_id": call.caller.user_id,
    }))
}

/// `profile`: the user for whom the credential acts.
pub(super) fn profile(call: &Call<'_>, _: &mut PortalState) -> Result<Done, Refusal> {
    done(json!({
        "ID": call.caller.user_id.to_string(),
        "ADMIN": true,
        "NAME": "Sandbox",
        "LAST_NAME": format!("User {}", call.caller.user_id),
        "PERSONAL_GENDER": "",
        "TIME_ZONE": "",
    }))
}

/// `server.time`: the portal's clock, with its offset.
pub(super) fn server_time(call: &Call<'_>, state: &mut PortalState) -> Result<Done, Refusal> {
    let offset = state.portal.utc_offset_hours;
    done(json!(crate::answer::local(call.circumstances.now, offset)))
}

/// `scope`: the scopes of the credential.
pub(super) fn scope(call: &Call<'_>, _: &mut PortalState) -> Result<Done, Refusal> {
    done(json!(call.caller.scopes()))
}

/// `methods`: the methods of this portal. The scopes of the credential do not narrow them.
pub(super) fn methods(_: &Call<'_>, _: &mut PortalState) -> Result<Done, Refusal> {
    let names = super::ALL.iter().map(|method| method.name);
    done(names.chain([crate::batch::NAME]).collect())
}
