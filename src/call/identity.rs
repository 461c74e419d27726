//! The description of a call in a failure.

use std::sync::Arc;

use bitrix24::{Method, TenantId};

/// A call, as far as it is known.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallIdentity {
    /// The id that logs, `x-request-id` and `RequestInfo` carry.
    pub(crate) call_id: Arc<str>,
    /// The tenant as the request names it.
    pub(crate) tenant_id: Option<TenantId>,
    /// The REST method.
    pub(crate) method: Option<Method>,
    /// The open channel as the request names it: its id or its code.
    pub(crate) line: Option<String>,
}
