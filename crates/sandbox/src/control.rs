//! The control interface below `/sandbox/`, where a real portal has nothing. For loopback only: whoever
//! reaches the portal reaches it.
//!
//! | address | methods | body |
//! |---|---|---|
//! | `record` | GET, DELETE | |
//! | `faults` | GET, POST, DELETE | `{"fault": "html_after", "status": 502, "next": 3, "method": "…"}` |
//! | `message-rules` | POST, DELETE | `{"message_id": "m1", "text": "…", "error": "…"}` |
//! | `switches` | GET, POST, DELETE | `{"error_dialect": "old"}`: the given ones change |
//! | `clock` | GET, POST | `{"advance_seconds": 604800, "portal": "…"}` |
//! | `tokens` | POST | `{"token": "…", "state": "expired"}` |
//! | `limits` | GET, POST, DELETE | `{"portal": "…", "intensity": "standard", "command_latency_ms": 20}`: the given ones change |
//! | `oauth` | GET | |
//! | `oauth/codes`, `oauth/grants` | POST | `{"client_id": "…", "user_id": 1}` |
//! | `oauth/revocations` | POST | `{"client_id": "…"}` or `{"token": "…"}` |
//! | `renames` | POST | `{"portal": "…", "listen": "127.0.0.1:8025"}` |
//! | `events` | POST | `{"event": "ONAPPINSTALL", "handler": "http://127.0.0.1:9000/install"}` |
//!
//! A wrong body is answered 400 with the name of the field, and changes nothing.

mod events;
mod limits;
mod oauth;
mod renames;

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::connection::Listening;
use super::fault_request;
use super::fields::{BadField, Fields};
use super::portal::TokenState;
use super::reply::Written;
use super::state::MessageRule;
use super::switches::Switches;
use super::world::{Arrived, Place, World};

/// Where the control interface begins.
pub(super) const PREFIX: &str = "/sandbox/";

/// Why a control request was not obeyed.
enum Problem {
    BadField(BadField),
    NotFound,
    MethodNotAllowed,
}

/// The portal that the field `portal` names, or the first one.
fn portal<'a>(world: &'a World, fields: &mut Fields) -> Result<&'a Arc<Place>, BadField> {
    let host: Option<String> = fields.take("portal")?;
    let place = match host {
        None => world.portals().first(),
        Some(host) => world.portal(&host),
    };
    place.ok_or_else(|| BadField::new("portal", "is unknown here"))
}

impl From<BadField> for Problem {
    fn from(bad: BadField) -> Self {
        Self::BadField(bad)
    }
}

/// Obeys a control request. It is not recorded and no fault hits it.
pub(super) async fn answer(listening: &Listening, arrived: &Arrived) -> Written {
    let world = &listening.world;
    let address = arrived.uri.path().strip_prefix(PREFIX).unwrap_or_default();
    let outcome = match address {
        "record" => record(world, arrived),
        "faults" => faults(world, arrived),
        "message-rules" => message_rules(world, arrived),
        "switches" => switches(world, arrived),
        "clock" => clock(world, arrived),
        "tokens" => tokens(world, arrived),
        "limits" => limits::answer(world, arrived),
        "oauth" => oauth::applications(world, arrived),
        "oauth/codes" => oauth::codes(world, arrived),
        "oauth/grants" => oauth::grants(world, arrived),
        "oauth/revocations" => oauth::revocations(world, arrived),
        "renames" => renames::answer(listening, arrived).await,
        "events" => events::answer(world, arrived).await,
        _ => Err(Problem::NotFound),
    };
    let (status, document) = match outcome {
        Ok(document) => (200, document),
        Err(Problem::BadField(bad)) => (400, json!({"field": bad.field, "problem": bad.problem})),
        Err(Problem::NotFound) => (404, json!({"problem": "not found"})),
        Err(Problem::MethodNotAllowed) => (405, json!({"problem": "method not allowed"})),
    };
    Written::new(status, "application/json", document.to_string())
}

fn record(world: &World, arrived: &Arrived) -> Result<Value, Problem> {
    match arrived.method {
        Method::GET => Ok(document(&world.book.read())),
        Method::DELETE => {
            world.book.clear();
            Ok(json!({}))
        }
        _ => Err(Problem::MethodNotAllowed),
    }
}

fn faults(world: &World, arrived: &Arrived) -> Result<Value, Problem> {
    match arrived.method {
        Method::GET => {}
        Method::POST => world.faults.inject(fault_request::read(&arrived.body)?),
        Method::DELETE => world.faults.clear(),
        _ => return Err(Problem::MethodNotAllowed),
    }
    Ok(json!({"faults": document(&world.faults.list())}))
}

fn message_rules(world: &World, arrived: &Arrived) -> Result<Value, Problem> {
    match arrived.method {
        Method::POST => {
            let mut fields = Fields::read(&arrived.body)?;
            let rule = MessageRule {
                message_id: fields.take("message_id")?,
                text: fields.take("text")?,
                error: fields.require("error")?,
            };
            fields.finish()?;
            world.rules().push(rule);
        }
        Method::DELETE => world.rules().clear(),
        _ => return Err(Problem::MethodNotAllowed),
    }
    Ok(json!({"message_rules": world.rules().len()}))
}

fn switches(world: &World, arrived: &Arrived) -> Result<Value, Problem> {
    match arrived.method {
        Method::GET => {}
        Method::POST => {
            let mut current = world.switches();
            *current = changed(&*current, Fields::read(&arrived.body)?)?;
        }
        Method::DELETE => *world.switches() = Switches::default(),
        _ => return Err(Problem::MethodNotAllowed),
    }
    Ok(document(&*world.switches()))
}

/// A value with the given fields changed, one after the other so that a wrong one has a name.
fn changed<T>(current: &T, fields: Fields) -> Result<T, BadField>
where
    T: Clone + Serialize + DeserializeOwned,
{
    let mut value = current.clone();
    for (name, field) in fields.into_map() {
        let mut all = document(&value);
        if let Some(all) = all.as_object_mut() {
            all.insert(name.clone(), field);
        }
        value = serde_json::from_value(all).map_err(|error| BadField::new(&name, error))?;
    }
    Ok(value)
}

fn clock(world: &World, arrived: &Arrived) -> Result<Value, Problem> {
    match arrived.method {
        Method::GET => {}
        Method::POST => {
            let mut fields = Fields::read(&arrived.body)?;
            let by = Duration::from_secs(fields.require("advance_seconds")?);
            if fields.peek("portal").is_some() {
                let place = portal(world, &mut fields)?;
                fields.finish()?;
                place.clock.advance(by);
                return Ok(json!({"now": world.now(place).to_string()}));
            }
            fields.finish()?;
            world.clock.advance(by);
        }
        _ => return Err(Problem::MethodNotAllowed),
    }
    Ok(json!({"now": world.clock.now().to_string()}))
}

fn tokens(world: &World, arrived: &Arrived) -> Result<Value, Problem> {
    if arrived.method != Method::POST {
        return Err(Problem::MethodNotAllowed);
    }
    let mut fields = Fields::read(&arrived.body)?;
    let token = SecretString::from(fields.require::<String>("token")?);
    let state: TokenState = fields.require("state")?;
    fields.finish()?;
    if world.set_token_state(token.expose_secret(), state) {
        Ok(json!({}))
    } else {
        Err(BadField::new("token", "is known to no portal").into())
    }
}

/// A value as JSON. The types written here have no map keys but strings, so that it cannot fail.
fn document(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}
