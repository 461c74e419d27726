//! What a portal holds, as the page shows it: `requests`, `chats`, `lines`, `buckets`.

use std::sync::Arc;

use http::Method;
use serde_json::Value;

use super::fields::{ControlError, FieldError};
use crate::request::HttpRequest;
use crate::simulator::{RunningPortal, Simulator};
use crate::view;

pub(super) fn requests(simulator: &Simulator, http: &HttpRequest) -> Result<Value, ControlError> {
    let Query { portal, since } = Query::read(simulator, http)?;
    Ok(view::requests(simulator, portal, since.unwrap_or(0)))
}

pub(super) fn chats(simulator: &Simulator, http: &HttpRequest) -> Result<Value, ControlError> {
    Ok(view::chats(simulator, portal(simulator, http)?))
}

pub(super) fn lines(simulator: &Simulator, http: &HttpRequest) -> Result<Value, ControlError> {
    Ok(view::lines(portal(simulator, http)?))
}

pub(super) fn buckets(simulator: &Simulator, http: &HttpRequest) -> Result<Value, ControlError> {
    Ok(view::buckets(simulator, portal(simulator, http)?))
}

/// The portal that a view is of.
pub(super) fn portal<'a>(
    simulator: &'a Simulator,
    http: &HttpRequest,
) -> Result<&'a Arc<RunningPortal>, ControlError> {
    match Query::read(simulator, http)? {
        Query { since: Some(_), .. } => Err(FieldError::unknown("since").into()),
        Query { portal, .. } => Ok(portal),
    }
}

struct Query<'a> {
    portal: &'a Arc<RunningPortal>,
    since: Option<u64>,
}

impl<'a> Query<'a> {
    fn read(simulator: &'a Simulator, http: &HttpRequest) -> Result<Self, ControlError> {
        if http.method != Method::GET {
            return Err(ControlError::MethodNotAllowed);
        }
        let (mut portal, mut since) = (simulator.portals().first(), None);
        let query = http.uri.query().unwrap_or_default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "portal" => portal = simulator.portal(&value),
                "since" => {
                    let sequence = value.parse::<u64>();
                    since = Some(sequence.map_err(|error| FieldError::new("since", error))?);
                }
                other => return Err(FieldError::unknown(other).into()),
            }
        }
        let portal = portal.ok_or_else(|| FieldError::unknown("portal"))?;
        Ok(Self { portal, since })
    }
}
