//! The proof of who calls.

use std::sync::Arc;

use super::caller_name::ANONYMOUS;
use super::grants::Grants;
use bitrix24::TenantId;
use store::key_text::KeyId;

/// Proof that the call comes from this caller. Only [`Callers`](super::Callers) makes one. Cheap to
/// clone.
#[derive(Clone, Debug)]
pub struct Caller(Arc<Identity>);

/// What is known of a caller that used one of its keys.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) name: Box<str>,
    /// Absent while authentication is switched off.
    pub(super) key_id: Option<KeyId>,
    pub(super) grants: Grants,
    pub(super) manages_tenants: bool,
}

impl Identity {
    /// Everybody, while authentication is switched off.
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
    /// States that the credential of this identity was proven.
    pub(super) fn prove(identity: Arc<Identity>) -> Self {
        Self(identity)
    }

    /// The caller's name in the settings, for logs; `anonymous` while authentication is switched
    /// off.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Which of the caller's keys was used; none while authentication is switched off.
    pub fn key_id(&self) -> Option<&KeyId> {
        self.0.key_id.as_ref()
    }

    /// Whether the caller was granted this tenant.
    pub fn may_act_for(&self, tenant: &TenantId) -> bool {
        self.0.grants.include(tenant)
    }

    /// The tenants that the caller was granted.
    pub fn grants(&self) -> &Grants {
        &self.0.grants
    }

    /// Whether the caller may manage the tenants that it was granted.
    pub fn manages_tenants(&self) -> bool {
        self.0.manages_tenants
    }
}
