//! Methods that client libraries call to connect. They describe the simulated portal, in the
//! documented fields only.

use serde_json::{Value, json};

use crate::error::Refusal;
use crate::rest::call::{Call, Executed};
use crate::rest::envelope;
use crate::state::PortalState;

fn done(result: Value) -> Result<Executed, Refusal> {
    Ok(Executed {
        result,
        deliveries: Vec::new(),
    })
}

/// `app.info`: the application of the access token. Source: page "app-info" and the authorization
/// server's response to it.
pub(crate) fn app_info(call: &Call<'_>, state: &mut PortalState) -> Result<Executed, Refusal> {
    let caller = call.caller.application.as_ref();
    let caller = caller.ok_or(Refusal::APPLICATION_REQUIRED)?;
    let application = state.definition.application(&caller.client_id);
    let application = application.ok_or(Refusal::APPLICATION_REQUIRED)?;
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
            "domain": call.context.domain(),
            "uri": call.context.client_endpoint,
            "client_endpoint": call.context.client_endpoint,
            "member_id": state.definition.member_id,
            "member_type": "PORTAL",
        },
        "user_id": call.caller.user_id,
    }))
}

/// `profile`: the user of the credential.
pub(crate) fn profile(call: &Call<'_>, _: &mut PortalState) -> Result<Executed, Refusal> {
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
pub(crate) fn server_time(call: &Call<'_>, state: &mut PortalState) -> Result<Executed, Refusal> {
    let offset = state.definition.utc_offset_hours;
    done(json!(envelope::local(call.context.now, offset)))
}

/// `scope`: the scopes of the credential.
pub(crate) fn scope(call: &Call<'_>, _: &mut PortalState) -> Result<Executed, Refusal> {
    done(json!(call.caller.scopes()))
}
