//! The version of a tenant, as callers see it.

use crate::error::Administration;
use store::StoredTenant;

/// The etag of a tenant as it is. A tenant that was deleted and created again has others than the first one.
pub(super) fn of(tenant: &StoredTenant) -> String {
    format!(
        "{:x}-{:x}",
        tenant.revision,
        tenant.created_at.as_microsecond()
    )
}

/// Whether a change that was made from the version `etag` may be applied; an empty one fits every version.
pub(super) fn check(etag: &str, tenant: &StoredTenant) -> Result<(), Administration> {
    if etag.is_empty() || etag == of(tenant) {
        Ok(())
    } else {
        Err(Administration::Changed)
    }
}
