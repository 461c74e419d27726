//! The control interface below `/sandbox/`, which real portals do not have. On loopback only,
//! because any client of the portal can use it.
//!
//! | address | methods | body |
//! |---|---|---|
//! | | GET | the page, for people |
//! | `watch` | GET | server-sent events for the page |
//! | `record` | GET, DELETE | |
//! | `requests`, `chats`, `lines`, `buckets` | GET | |
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
//! What is only read has the portal in its query: `?portal=…`. An invalid body gets 400 with the
//! name of the field and changes nothing.

mod events;
mod fault;
mod fields;
mod limits;
mod oauth;
mod renames;
mod steering;
mod views;

pub(crate) use renames::Renamed;

use std::sync::Arc;

use http::{HeaderName, Method};
use serde_json::json;

use self::fields::{ControlError, FieldError, Fields};
use crate::fault::Fault;
use crate::page;
use crate::request::HttpRequest;
use crate::response::HttpResponse;
use crate::simulator::Simulator;
use crate::switches::Switches;
use crate::view::Viewer;

/// Where the control interface begins.
const PREFIX: &str = "/sandbox/";

/// The page as people type it.
const PAGE: &str = "/sandbox";

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

/// What a control request gets.
pub(crate) enum Controlled {
    Response(HttpResponse),
    /// The same, and from now on a portal has another address.
    Renamed(HttpResponse, Renamed),
    /// News as long as the client listens.
    Watch(Viewer),
}

/// Whether a request is for the control interface.
pub(crate) fn is_address(path: &str) -> bool {
    path.starts_with(PREFIX) || path == PAGE
}

/// Executes a control request. It is not recorded, and no fault hits it.
pub(crate) async fn respond(simulator: &Arc<Simulator>, http: &HttpRequest) -> Controlled {
    if http.uri.path() == PAGE {
        return Controlled::Response(HttpResponse::redirect(PREFIX.to_owned()));
    }
    let address = http.uri.path().strip_prefix(PREFIX).unwrap_or_default();
    let mut renamed = None;
    let result = match address {
        "" if http.method == Method::GET => return Controlled::Response(page::respond()),
        "" => Err(ControlError::MethodNotAllowed),
        _ if is_of_another_site(http) => Err(ControlError::OtherSite),
        "watch" => match views::portal(simulator, http) {
            Ok(portal) => match Viewer::new(simulator, portal) {
                Some(viewer) => return Controlled::Watch(viewer),
                None => Err(ControlError::TooManyViewers),
            },
            Err(error) => Err(error),
        },
        "requests" => views::requests(simulator, http),
        "chats" => views::chats(simulator, http),
        "lines" => views::lines(simulator, http),
        "buckets" => views::buckets(simulator, http),
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
        Err(ControlError::OtherSite) => (
            403,
            json!({"problem": "a page of another site may not use the controls"}),
        ),
        Err(ControlError::TooManyViewers) => {
            (503, json!({"problem": "too many pages watch already"}))
        }
    };
    let response = HttpResponse::new(status, "application/json", document.to_string());
    match renamed {
        Some(renamed) => Controlled::Renamed(response, renamed),
        None => Controlled::Response(response),
    }
}

/// Browsers say where a request comes from. The controls have no password, so that any page that
/// is open in a browser of this machine could use them.
fn is_of_another_site(http: &HttpRequest) -> bool {
    let from = http.header(&HeaderName::from_static("sec-fetch-site"));
    matches!(from, Some("cross-site" | "same-site"))
}
