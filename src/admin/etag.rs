//! The version of a tenant, as callers see it.

use crate::error::Administration;
use store::StoredTenant;

/// The current etag of a tenant. A tenant that is deleted and created again has new ones.
pub(super) fn of(tenant: &StoredTenant) -> String {
    format!(
        "{:x}-{:x}",
        tenant.revision,
        tenant.created_at.as_microsecond()
    )
}

/// Whether a change of the version `etag` may be applied; an empty one matches every version.
pub(super) fn check(etag: &str, tenant: &StoredTenant) -> Result<(), Administration> {
    if etag.is_empty() || etag == of(tenant) {
        Ok(())
    } else {
        Err(Administration::Changed)
    }
}
