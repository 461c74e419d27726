//! Tenants as the queue tells them apart.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// The id of a tenant, as an opaque key. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantKey(Arc<str>);

impl TenantKey {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for TenantKey {
    fn from(id: &str) -> Self {
        Self(id.into())
    }
}

impl Borrow<str> for TenantKey {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TenantKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
