//! The tenants that a caller may act for.

use std::collections::BTreeSet;
use std::fmt;

use thiserror::Error;

use bitrix24::{InvalidTenantId, TenantId};

const EVERY: &str = "*";

/// The tenants a caller may act for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grants {
    /// Every tenant, present and future.
    Every,
    Only(BTreeSet<TenantId>),
}

/// An entry of a caller's list of tenants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GrantedTo {
    /// `*`
    Every,
    Tenant(TenantId),
}

/// The entry of a caller's list is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("is neither \"*\" nor a tenant id")]
pub struct InvalidGrant(#[from] InvalidTenantId);

impl GrantedTo {
    /// Parses `*` or the id of a tenant.
    ///
    /// # Errors
    ///
    /// The text is neither; the source names the rule of tenant ids that it violates.
    pub fn parse(text: &str) -> Result<Self, InvalidGrant> {
        if text == EVERY {
            return Ok(Self::Every);
        }
        Ok(Self::Tenant(TenantId::parse(text)?))
    }
}

impl Grants {
    pub fn only(tenants: impl IntoIterator<Item = TenantId>) -> Self {
        Self::Only(tenants.into_iter().collect())
    }

    pub fn include(&self, tenant: &TenantId) -> bool {
        match self {
            Self::Every => true,
            Self::Only(tenants) => tenants.contains(tenant),
        }
    }
}

/// Collects a caller's list; a `*` in it grants every tenant.
impl FromIterator<GrantedTo> for Grants {
    fn from_iter<Entries: IntoIterator<Item = GrantedTo>>(entries: Entries) -> Self {
        let mut only = BTreeSet::new();
        for entry in entries {
            match entry {
                GrantedTo::Every => return Self::Every,
                GrantedTo::Tenant(tenant) => only.insert(tenant),
            };
        }
        Self::Only(only)
    }
}

/// Writes the list as in the settings, in YAML.
impl fmt::Display for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every => write!(f, "[\"{EVERY}\"]"),
            Self::Only(tenants) => {
                let list: Vec<String> = tenants.iter().map(|id| format!("\"{id}\"")).collect();
                write!(f, "[{}]", list.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{GrantedTo, Grants};
    use bitrix24::TenantId;

    #[test]
    fn an_asterisk_grants_every_tenant_whatever_else_is_listed() {
        let entries = ["acme", "*"].map(|text| GrantedTo::parse(text).unwrap());
        assert_eq!(entries.into_iter().collect::<Grants>(), Grants::Every);
    }

    #[test]
    fn a_list_grants_what_it_names_and_no_more() {
        let grants: Grants = [GrantedTo::parse("acme").unwrap()].into_iter().collect();
        assert!(grants.include(&TenantId::parse("acme").unwrap()));
        assert!(!grants.include(&TenantId::parse("acme2").unwrap()));
        assert_eq!(grants.to_string(), r#"["acme"]"#);
    }

    #[test]
    fn a_pattern_is_no_grant() {
        assert!(GrantedTo::parse("ac*").is_err());
        assert!(GrantedTo::parse("").is_err());
    }
}
