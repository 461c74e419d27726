//! The proof that a call may be made.

use uuid::Uuid;

use super::{Check, Violations};
use crate::call::{Priority, Recipient};
use crate::tenant::Tenant;
use bitrix24::{Method, Parameters, TenantId};

/// Proof that a request breaks no rule and that its caller may act for the tenant. Only
/// [`Check::pass`] makes it.
#[derive(Debug)]
pub(crate) struct Call {
    parts: CallParts,
}

/// The contents of a call.
#[derive(Clone, Debug)]
pub(crate) struct CallParts {
    pub(crate) tenant: Tenant,
    pub(crate) method: Method,
    pub(crate) parameters: Parameters,
    pub(crate) priority: Priority,
    pub(crate) may_be_batched: bool,
    pub(crate) idempotency_key: Option<Uuid>,
    /// Of a network message, if its week is guarded.
    pub(crate) recipient: Option<Box<Recipient>>,
}

impl Check {
    /// Ends the check. There are no `parts` only if a field that they need has a violation.
    ///
    /// # Errors
    ///
    /// The violations.
    pub(crate) fn pass(self, parts: Option<CallParts>) -> Result<Call, Violations> {
        let violations = self.into_violations();
        match parts {
            Some(parts) if violations.is_empty() => Ok(Call { parts }),
            Some(_) | None => Err(violations),
        }
    }

    /// Ends the check of a request that sends nothing.
    ///
    /// # Errors
    ///
    /// The violations.
    pub(crate) fn end(self) -> Result<(), Violations> {
        let violations = self.into_violations();
        let is_clean = violations.is_empty();
        is_clean.then_some(()).ok_or(violations)
    }
}

impl Call {
    /// The tenant that it is for.
    pub(crate) fn tenant(&self) -> &TenantId {
        self.parts.tenant.id()
    }

    /// The caller's idempotency key.
    pub(crate) fn idempotency_key(&self) -> Option<Uuid> {
        self.parts.idempotency_key
    }

    /// Takes the call apart, to send it.
    pub(crate) fn into_parts(self) -> CallParts {
        self.parts
    }
}
