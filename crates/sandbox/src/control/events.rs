//! `/sandbox/events`: sends an event to a handler.

use serde_json::{Value, json};

use super::fields::{ControlError, FieldError, Fields};
use crate::event::{self, Event, EventKind};
use crate::request::{HttpRequest, Origin};
use crate::simulator::Simulator;

/// Sends one event and returns the outcome. It is not retried.
pub(crate) async fn respond(
    simulator: &Simulator,
    http: &HttpRequest,
) -> Result<Value, ControlError> {
    let mut fields = Fields::posted(http)?;
    let portal = fields.portal(simulator)?;
    let name: String = fields.require("event")?;
    let event = Event {
        kind: EventKind::by_name(&name)
            .ok_or_else(|| FieldError::new("event", format!("{name:?} is not a known event")))?,
        handler: fields.require("handler")?,
        client_id: fields.take("client_id")?,
        user_id: fields.take("user_id")?.unwrap_or(1),
        renews_application_token: fields.take("renews_application_token")?.unwrap_or_default(),
        replace: fields.take("replace")?.unwrap_or_default(),
    };
    fields.finish()?;
    let form = event::form(simulator, portal, &event, &Origin::of(http))
        .ok_or_else(|| FieldError::unknown("client_id"))?;
    let handler = event::handler(&event.handler)
        .ok_or_else(|| FieldError::new("handler", "must be an http address on loopback"))?;
    Ok(match event::post(&handler, form).await {
        Ok(status) => json!({"delivered": true, "status": status}),
        Err(problem) => json!({"delivered": false, "problem": problem.to_string()}),
    })
}
