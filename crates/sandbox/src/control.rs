//! The control interface below `/sandbox/`, which real portals do not have. On loopback only,
//! because any client of the portal can use it.
//!
//! | address | methods | body |
//! |---|---|---|
//! | `record` | GET, DELETE | |
//! | `faults` | GET, POST, DELETE | `{"fault": "html_after", "status": 502, "next": 3}` |
//! | `message-rules` | POST, DELETE | `{"message_id": "m1", "text": "…", "error": "…"}` |
//! | `switches` | GET, POST, DELETE | `{"error_dialect": "old"}`: changes the given ones |
//! | `clock` | GET, POST | `{"advance_seconds": 604800, "portal": "…"}` |
//! | `tokens` | POST | `{"token": "…", "state": "expired"}` |
//! | `limits` | GET, POST, DELETE | `{"portal": "…", "intensity": "standard"}`: the same |
//! | `oauth` | GET | |
//! | `oauth/codes`, `oauth/grants` | POST | `{"client_id": "…", "user_id": 1}` |
//! | `oauth/revocations` | POST | `{"client_id": "…"}` or `{"token": "…"}` |
//! | `renames` | POST | `{"portal": "…", "listen": "127.0.0.1:8025"}` |
//! | `events` | POST | `{"event": "ONAPPINSTALL", "handler": "http://127.0.0.1:9000/install"}` |
//!
//! An invalid body gets 400 with the name of the field and changes nothing.

mod events;
mod fault;
mod fields;
mod limits;
mod oauth;
mod renames;
mod steering;

pub(crate) use renames::Renamed;

use serde_json::json;

use self::fields::{ControlError, FieldError, Fields};
use crate::fault::Fault;
use crate::request::HttpRequest;
use crate::response::HttpResponse;
use crate::simulator::Simulator;
use crate::switches::Switches;

/// Where the control interface begins.
pub(crate) const PREFIX: &str = "/sandbox/";

/// Reads a fault as the control interface does.
pub(crate) fn fault(body: &str) -> Result<Fault, String> {
    fault::read(body.as_bytes()).map_err(FieldError::into_text)
}

/// Changes switches as the control interface does.
pub(crate) fn switches(body: &str, current: &Switches) -> Result<Switches, String> {
    let fields = Fields::of(body.as_bytes());
    let changed = fields.and_then(|fields| fields.change(current));
    changed.map_err(FieldError::into_text)
}

/// Executes a control request. It is not recorded, and no fault hits it.
pub(crate) async fn respond(
    simulator: &Simulator,
    http: &HttpRequest,
) -> (HttpResponse, Option<Renamed>) {
    let address = http.uri.path().strip_prefix(PREFIX).unwrap_or_default();
    let mut renamed = None;
    let result = match address {
        "record" => steering::record(simulator, http),
        "faults" => steering::faults(simulator, http),
        "message-rules" => steering::message_rules(simulator, http),
        "switches" => steering::switches(simulator, http),
        "clock" => steering::clock(simulator, http),
        "tokens" => steering::tokens(simulator, http),
        "limits" => limits::respond(simulator, http),
        "oauth" => oauth::applications(simulator, http),
        "oauth/codes" => oauth::codes(simulator, http),
        "oauth/grants" => oauth::grants(simulator, http),
        "oauth/revocations" => oauth::revocations(simulator, http),
        "renames" => renames::bind(simulator, http).await.map(|bound| {
            let renamed = renamed.insert(bound);
            json!({"portal": renamed.portal.host, "address": renamed.address})
        }),
        "events" => events::respond(simulator, http).await,
        _ => Err(ControlError::NotFound),
    };
    let (status, document) = match result {
        Ok(document) => (200, document),
        Err(ControlError::Field(FieldError { field, problem })) => {
            (400, json!({"field": field, "problem": problem}))
        }
        Err(ControlError::NotFound) => (404, json!({"problem": "not found"})),
        Err(ControlError::MethodNotAllowed) => (405, json!({"problem": "method not allowed"})),
    };
    let response = HttpResponse::new(status, "application/json", document.to_string());
    (response, renamed)
}
