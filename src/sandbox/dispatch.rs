//! The order in which a portal looks at a call: method, authentication, scope, handler.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::auth::Caller;
use super::methods;
use super::record::Delivery;
use super::refusal::Refusal;
use super::request::RestRequest;
use super::state::{MessageRule, PortalState};
use super::switches::Switches;
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
    pub(super) scope: &'static str,
    pub(super) run: fn(&Call<'_>, &mut PortalState) -> Result<Done, Refusal>,
}

/// Runs a call as far as the portal lets it.
pub(super) fn run(
    request: &RestRequest,
    circumstances: &Circumstances,
    state: &mut PortalState,
) -> Result<Done, Refusal> {
    if circumstances.switches.https_required {
        return Err(Refusal::System(SystemError::HTTPS_REQUIRED));
    }
    let method = methods::ALL
        .iter()
        .find(|method| method.name == request.method)
        .ok_or(Refusal::System(SystemError::METHOD_NOT_FOUND))?;
    let caller = Caller::authenticate(&state.portal, &request.credential)?;
    caller.require_scope(method.scope)?;
    let call = Call {
        parameters: &request.parameters,
        caller: &caller,
        circumstances,
    };
    (method.run)(&call, state)
}
