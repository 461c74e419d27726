//! A call as its method sees it.

use serde_json::{Map, Value};

use super::caller::Caller;
use super::context::Context;
use crate::error::Refusal;
use crate::php;
use crate::record::Delivery;
use crate::state::PortalState;

#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) parameters: &'a Map<String, Value>,
    pub(crate) caller: &'a Caller,
    pub(crate) context: &'a Context,
}

impl<'a> Call<'a> {
    /// The parameter of this name, in upper case as documented. `None` if PHP calls it empty.
    pub(crate) fn filled(&self, name: &str) -> Option<&'a Value> {
        let value = self.parameters.get(name);
        value.filter(|_| !php::is_empty(value))
    }

    pub(crate) fn required(&self, name: &'static str) -> Result<&'a Value, Refusal> {
        self.filled(name).ok_or(Refusal::EmptyArgument(name))
    }
}

/// An executed call.
#[derive(Debug)]
pub(crate) struct Executed {
    pub(crate) result: Value,
    pub(crate) deliveries: Vec<Delivery>,
}

/// A method of the portal.
pub(crate) struct Method {
    pub(crate) name: &'static str,
    /// The scope it needs. `None`: any credential is enough.
    pub(crate) scope: Option<&'static str>,
    pub(crate) run: fn(&Call<'_>, &mut PortalState) -> Result<Executed, Refusal>,
}
