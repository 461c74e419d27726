//! `/sandbox/events`: sends an event to a handler.

use http::Method;
use serde_json::{Value, json};

use super::{Problem, portal};
use crate::event::{self, Event, EventKind};
use crate::fields::{BadField, Fields};
use crate::origin::Origin;
use crate::world::{Arrived, World};

/// Sends one event and tells what became of it. It is not sent again.
pub(super) async fn answer(world: &World, arrived: &Arrived) -> Result<Value, Problem> {
    if arrived.method != Method::POST {
        return Err(Problem::MethodNotAllowed);
    }
    let mut fields = Fields::read(&arrived.body)?;
    let place = portal(world, &mut fields)?;
    let name: String = fields.require("event")?;
    let event = Event {
        kind: EventKind::by_name(&name)
            .ok_or_else(|| BadField::new("event", format!("{name:?} is no event known here")))?,
        handler: fields.require("handler")?,
        client_id: fields.take("client_id")?,
        user_id: fields.take("user_id")?.unwrap_or(1),
        renews_application_token: fields.take("renews_application_token")?.unwrap_or_default(),
        replace: fields.take("replace")?.unwrap_or_default(),
    };
    fields.finish()?;
    let form = event::form(world, place, &event, &Origin::of(arrived))
        .ok_or_else(|| BadField::new("client_id", "is unknown here"))?;
    let handler = event::handler(&event.handler)
        .ok_or_else(|| BadField::new("handler", "must be an http address on loopback"))?;
    Ok(match event::send(&handler, form).await {
        Ok(status) => json!({"delivered": true, "status": status}),
        Err(problem) => json!({"delivered": false, "problem": problem.to_string()}),
    })
}
