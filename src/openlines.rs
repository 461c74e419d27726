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

use std::sync::Arc;

use uuid::Uuid;

use crate::dispatch::{Announced, Priority};
use crate::tenant::Tenant;
use bitrix24::{Method, Parameters};

pub use check::Rules;
pub use service::OpenLines;

/// Proof that a request is valid and that its caller may act for the tenant. Only this module makes it.
#[derive(Debug)]
pub struct Call {
    parts: CallParts,
}

/// What a valid call consists of.
#[derive(Clone, Debug)]
pub(crate) struct CallParts {
    pub(crate) tenant: Tenant,
    /// Its place among the calls to the same conversations.
    pub(crate) announced: Arc<Announced>,
    pub(crate) method: Method,
    pub(crate) parameters: Parameters,
    pub(crate) priority: Priority,
    /// Whether its caller lets it travel in a batch.
    pub(crate) may_be_batched: bool,
    /// The idempotency key.
    pub(crate) request_id: Option<Uuid>,
}

impl Call {
    /// Takes the call apart, to send it.
    pub(crate) fn into_parts(self) -> CallParts {
        self.parts
    }
}
