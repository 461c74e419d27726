//! `/sandbox/limits`: the limits and the latency of portals.

use http::Method;
use serde_json::{Map, Value, json};

use super::fields::{ControlError, Fields, document};
use crate::portal::Limits;
use crate::request::HttpRequest;
use crate::simulator::Simulator;

/// Changes the limits of one portal or of all, and forgets what was counted so far.
pub(crate) fn respond(simulator: &Simulator, http: &HttpRequest) -> Result<Value, ControlError> {
    let mut fields = match http.method {
        Method::GET => Fields::default(),
        Method::POST | Method::DELETE => Fields::given(http)?,
        _ => return Err(ControlError::MethodNotAllowed),
    };
    let portals = match fields.named_portal(simulator)? {
        None => simulator.portals(),
        Some(portal) => std::slice::from_ref(portal),
    };
    let mut all = Map::new();
    for portal in portals {
        let mut state = portal.state();
        if http.method != Method::GET {
            state.definition.limits = match http.method {
                Method::DELETE => Limits::default(),
                _ => fields.change(&state.definition.limits)?,
            };
            state.reset_limits();
        }
        all.insert(portal.host.clone(), document(&state.definition.limits));
    }
    Ok(json!({"limits": all}))
}
