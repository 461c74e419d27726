//! The three operations: one file for each, and what they have in common.
//!
//! A request becomes a [`Call`] when it breaks no rule; the dispatcher sends it; the answer becomes the response.

mod attachment;
mod check;
mod connector_messages;
mod crm_message;
mod json_object;
mod json_struct;
mod keyboard;
mod network_message;
mod operation;
mod path;
mod service;
mod timing;

use crate::bitrix24::{Method, Parameters};
use crate::tenant::Tenant;

pub use check::Rules;
pub use service::OpenLines;

/// Proof that a request is valid and that its caller may act for the tenant. Only this module makes it.
#[derive(Debug)]
pub struct Call {
    tenant: Tenant,
    method: Method,
    parameters: Parameters,
}

impl Call {
    /// Takes the call apart, to send it.
    pub(crate) fn into_parts(self) -> (Tenant, Method, Parameters) {
        (self.tenant, self.method, self.parameters)
    }
}
