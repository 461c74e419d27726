//! The proof of a caller's identity.

use std::sync::Arc;

use super::caller_name::ANONYMOUS;
use super::grants::Grants;
use bitrix24::TenantId;
use store::key_text::KeyId;

/// Proof that a call comes from this caller. Only [`Callers`](super::Callers) makes one. Cheap to
/// clone.
#[derive(Clone, Debug)]
pub struct Caller(Arc<Identity>);

/// Proof that a caller may act for this tenant, if it exists. Only [`Caller::grant`] makes one.
#[derive(Clone, Debug)]
pub struct Grant(TenantId);

/// A caller with the key that it used.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) name: Box<str>,
    pub(super) key_id: Option<KeyId>,
    pub(super) grants: Grants,
    pub(super) manages_tenants: bool,
}

impl Identity {
    /// Every caller while authentication is off.
    pub(super) fn anonymous() -> Self {
        Self {
            name: ANONYMOUS.into(),
            key_id: None,
            grants: Grants::Every,
            manages_tenants: true,
        }
    }
}

impl Caller {
    /// The caller proved this identity.
    pub(super) fn prove(identity: Arc<Identity>) -> Self {
        Self(identity)
    }

    /// The caller's name in the settings; `anonymous` while authentication is off.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The id of the key that was used; `None` while authentication is off.
    pub fn key_id(&self) -> Option<&KeyId> {
        self.0.key_id.as_ref()
    }

    pub fn may_act_for(&self, tenant: &TenantId) -> bool {
        self.0.grants.include(tenant)
    }

    /// The proof that the caller may act for a tenant; `None` if it may not.
    pub fn grant(&self, tenant: &TenantId) -> Option<Grant> {
        self.may_act_for(tenant).then(|| Grant(tenant.clone()))
    }

    pub fn grants(&self) -> &Grants {
        &self.0.grants
    }

    /// Whether the caller may manage its tenants.
    pub fn manages_tenants(&self) -> bool {
        self.0.manages_tenants
    }
}

impl Grant {
    pub fn tenant(&self) -> &TenantId {
        &self.0
    }
}
