//! The proof that a caller may manage a tenant.

use super::name;
use crate::auth::{Caller, Grants};
use crate::call::CallContext;
use crate::check::Violations;
use crate::error::{Administration, Error};
use crate::tenant::ResolveError;
use bitrix24::TenantId;

/// Proof that the caller may manage tenants: those that it was granted.
#[derive(Clone, Debug)]
pub(super) struct Manager(Caller);

/// Proof that the caller may manage this tenant, if it exists.
#[derive(Clone, Debug)]
pub(super) struct Managed(TenantId);

impl Manager {
    pub(super) fn prove(caller: Caller) -> Result<Self, Administration> {
        if caller.manages_tenants() {
            Ok(Self(caller))
        } else {
            Err(Administration::NotPermitted)
        }
    }

    pub(super) fn caller(&self) -> &Caller {
        &self.0
    }

    pub(super) fn name(&self) -> &str {
        self.0.name()
    }

    pub(super) fn grants(&self) -> &Grants {
        self.0.grants()
    }

    /// Checks the caller's grant before the tenant's existence.
    pub(super) fn manage(&self, id: TenantId, context: &CallContext) -> Result<Managed, Error> {
        if !self.0.may_act_for(&id) {
            return Err(ResolveError::NotPermitted.into());
        }
        context.note_tenant(&id);
        Ok(Managed(id))
    }

    /// The same for the tenant that a request names in its field `name`, which must be sound.
    pub(super) fn manage_named(&self, text: &str, context: &CallContext) -> Result<Managed, Error> {
        let mut violations = Violations::default();
        match name::read("name", text, &mut violations) {
            Some(id) => self.manage(id, context),
            None => Err(Error::InvalidRequest(violations)),
        }
    }
}

impl Managed {
    pub(super) fn id(&self) -> &TenantId {
        &self.0
    }
}
