//! The order in which a portal looks at a call: method, authentication, scope, operating time, handler.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::auth::Caller;
use super::methods;
use super::record::Delivery;
use super::refusal::Refusal;
use super::state::{MessageRule, PortalState};
use super::switches::{BatchCharging, Switches};
use super::system_error::SystemError;

/// What a handler sees of a call.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) parameters: &'a Map<String, Value>,
    pub(super) caller: &'a Caller,
    pub(super) circumstances: &'a Circumstances,
}

impl Call<'_> {
    /// The parameter of this name; names are taken as printed in the documentation, upper case.
    pub(super) fn parameter(&self, name: &str) -> Option<&Value> {
        self.parameters.get(name)
    }
}

/// What holds for the moment of a call, whoever calls.
#[derive(Debug)]
pub(super) struct Circumstances {
    pub(super) switches: Switches,
    pub(super) rules: Vec<MessageRule>,
    pub(super) now: Timestamp,
    /// The address of the portal's methods as the caller can reach it.
    pub(super) client_endpoint: String,
}

impl Circumstances {
    /// Host name and port of the portal as the caller can reach it.
    pub(super) fn domain(&self) -> &str {
        let (_, rest) = self.client_endpoint.split_once("://").unwrap_or_default();
        rest.split('/').next().unwrap_or_default()
    }
}

/// A method that ran to its end.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) result: Value,
    pub(super) deliveries: Vec<Delivery>,
}

/// A method of the portal.
pub(super) struct Method {
    pub(super) name: &'static str,
    /// The scope it needs. `None`: any credential will do.
    pub(super) scope: Option<&'static str>,
    pub(super) run: fn(&Call<'_>, &mut PortalState) -> Result<Done, Refusal>,
}

/// The method of this name.
pub(super) fn method(name: &str) -> Result<&'static Method, Refusal> {
    let mut methods = methods::ALL.iter();
    methods
        .find(|method| method.name == name)
        .ok_or(Refusal::System(SystemError::METHOD_NOT_FOUND))
}

/// Lets a caller call a method, or not.
pub(super) fn admit(
    method: &Method,
    caller: &Caller,
    circumstances: &Circumstances,
    state: &mut PortalState,
) -> Result<(), Refusal> {
    caller.require_scope(method.scope)?;
    check_operating_time(method.name, caller, circumstances.now, state)
}

/// Refuses a method that has worked for its caller as long as it may.
pub(super) fn check_operating_time(
    method: &str,
    caller: &Caller,
    now: Timestamp,
    state: &mut PortalState,
) -> Result<(), Refusal> {
    let Some(limit) = state.portal.limits.operating_limit_seconds else {
        return Ok(());
    };
    // The call that crosses the line is still executed, the next one is not.
    if state.baskets.used(caller.account, method, now).seconds < limit {
        Ok(())
    } else {
        Err(Refusal::System(SystemError::OPERATION_TIME_LIMIT))
    }
}

/// The method to which the operating time of a call is charged.
pub(super) fn charged<'a>(
    method: &'a str,
    batch: Option<&'a str>,
    charging: BatchCharging,
) -> &'a str {
    match (batch, charging) {
        (Some(batch), BatchCharging::Batch) => batch,
        (None, _) | (Some(_), BatchCharging::Commands) => method,
    }
}
