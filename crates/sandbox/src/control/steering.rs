//! The record, and what steers the portals: faults, message rules, switches, clock and tokens.

use std::time::Duration;

use http::Method;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::fault;
use super::fields::{ControlError, FieldError, Fields, document};
use crate::fault::MessageRule;
use crate::portal::TokenState;
use crate::request::HttpRequest;
use crate::simulator::Simulator;
use crate::switches::Switches;

pub(crate) fn record(simulator: &Simulator, http: &HttpRequest) -> Result<Value, ControlError> {
    match http.method {
        Method::GET => Ok(document(&simulator.recorder.read())),
        Method::DELETE => {
            simulator.recorder.clear();
            simulator.exchanges.clear();
            Ok(json!({}))
        }
        _ => Err(ControlError::MethodNotAllowed),
    }
}

pub(crate) fn faults(simulator: &Simulator, http: &HttpRequest) -> Result<Value, ControlError> {
    match http.method {
        Method::GET => {}
        Method::POST => simulator.faults.inject(fault::read(&http.body)?),
        Method::DELETE => {
            let mut fields = Fields::given(http)?;
            let id = fields.take("id")?;
            fields.finish()?;
            match id {
                None => simulator.faults.clear(),
                Some(id) if simulator.faults.remove(id) => {}
                Some(_) => return Err(FieldError::unknown("id").into()),
            }
        }
        _ => return Err(ControlError::MethodNotAllowed),
    }
    Ok(json!({"faults": document(&simulator.faults.list())}))
}

pub(crate) fn message_rules(
    simulator: &Simulator,
    http: &HttpRequest,
) -> Result<Value, ControlError> {
    match http.method {
        Method::POST => {
            let mut fields = Fields::read(http)?;
            let rule = MessageRule {
                message_id: fields.take("message_id")?,
                text: fields.take("text")?,
                error: fields.require("error")?,
            };
            fields.finish()?;
            simulator.rules().push(rule);
        }
        Method::DELETE => simulator.rules().clear(),
        _ => return Err(ControlError::MethodNotAllowed),
    }
    Ok(json!({"message_rules": simulator.rules().len()}))
}

pub(crate) fn switches(simulator: &Simulator, http: &HttpRequest) -> Result<Value, ControlError> {
    let mut switches = simulator.switches();
    match http.method {
        Method::GET => {}
        Method::POST => *switches = Fields::read(http)?.change(&*switches)?,
        Method::DELETE => *switches = Switches::default(),
        _ => return Err(ControlError::MethodNotAllowed),
    }
    Ok(document(&*switches))
}

pub(crate) fn clock(simulator: &Simulator, http: &HttpRequest) -> Result<Value, ControlError> {
    let mut now = simulator.clock.now();
    if http.method != Method::GET {
        let mut fields = Fields::posted(http)?;
        let by = Duration::from_secs(fields.require("advance_seconds")?);
        let portal = fields.named_portal(simulator)?;
        fields.finish()?;
        let clock = portal.map_or(&simulator.clock, |portal| &portal.clock);
        clock.advance(by);
        now = portal.map_or_else(|| simulator.clock.now(), |portal| simulator.now(portal));
    }
    Ok(json!({"now": now.to_string()}))
}

pub(crate) fn tokens(simulator: &Simulator, http: &HttpRequest) -> Result<Value, ControlError> {
    let mut fields = Fields::posted(http)?;
    let token = SecretString::from(fields.require::<String>("token")?);
    let state: TokenState = fields.require("state")?;
    fields.finish()?;
    if simulator.set_token_state(token.expose_secret(), state) {
        Ok(json!({}))
    } else {
        Err(FieldError::new("token", "is unknown to every portal").into())
    }
}
