//! Resource names of tenants: `tenants/{tenant}`.

use crate::check::Violations;
use bitrix24::{InvalidTenantId, TenantId};

/// What stands before the id.
const COLLECTION: &str = "tenants/";

pub(super) fn of(id: &TenantId) -> String {
    format!("{COLLECTION}{id}")
}

/// The tenant that a name names. `None`, and a violation, if the text cannot be a tenant's name.
pub(super) fn read(field: &str, text: &str, violations: &mut Violations) -> Option<TenantId> {
    if text.is_empty() {
        violations.add(field, "REQUIRED", "is required; it is empty");
        return None;
    }
    let Some(id) = text.strip_prefix(COLLECTION) else {
        let description = "is no tenant's name; give tenants/ and the tenant's id";
        violations.add(field, "TENANT_NAME", description);
        return None;
    };
    match TenantId::parse(id) {
        Ok(id) => Some(id),
        Err(fault) => {
            violations.add(field, "TENANT_NAME", fault.to_string());
            None
        }
    }
}

/// The tenant of an id by itself.
pub(super) fn read_id(field: &str, text: &str, violations: &mut Violations) -> Option<TenantId> {
    match TenantId::parse(text) {
        Ok(id) => Some(id),
        Err(InvalidTenantId::Empty) => {
            violations.add(field, "REQUIRED", "is required; it is empty");
            None
        }
        Err(fault) => {
            violations.add(field, "TENANT_ID", fault.to_string());
            None
        }
    }
}
