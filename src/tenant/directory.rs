//! All tenants, and the proof that a caller may act for one.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use thiserror::Error;

use super::id::TenantId;
use crate::auth::Caller;
use crate::bitrix24::{Credential, PortalAddress};

/// All tenants this process serves. Cheap to clone; its content does not change.
#[derive(Clone, Default)]
pub struct Directory {
    tenants: Arc<HashMap<TenantId, Arc<Record>>>,
}

/// A tenant as it stands in the directory: nobody's permission was checked yet.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) id: TenantId,
    pub(super) portal: PortalAddress,
    pub(super) credential: Credential,
}

/// Proof that a caller may act for this tenant. Only [`Directory::resolve`] makes one. Cheap to
/// clone.
#[derive(Clone, Debug)]
pub struct Tenant(Arc<Record>);

/// The caller may not act for the tenant, or there is no such tenant.
///
/// One error for both, so that nobody can find out which tenants exist by asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the caller may not act for this tenant, or there is no such tenant")]
pub struct NotPermitted;

impl Directory {
    /// Takes over records whose ids all differ.
    pub(super) fn new(records: impl IntoIterator<Item = Record>) -> Self {
        let tenants = records
            .into_iter()
            .map(|record| (record.id.clone(), Arc::new(record)))
            .collect();
        Self {
            tenants: Arc::new(tenants),
        }
    }

    /// Finds the tenant, if the caller may act for it.
    ///
    /// # Errors
    ///
    /// [`NotPermitted`] if the tenant is unknown or not granted to the caller.
    pub fn resolve(&self, caller: &Caller, id: &TenantId) -> Result<Tenant, NotPermitted> {
        let permitted = caller.may_act_for(id);
        match self.tenants.get(id) {
            Some(record) if permitted => Ok(Tenant(Arc::clone(record))),
            Some(_) | None => Err(NotPermitted),
        }
    }

    /// Number of tenants.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tenants.len()
    }

    /// Whether there is no tenant.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tenants.is_empty()
    }
}

/// Shows the number of tenants only: there may be many.
impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory")
            .field("tenants", &self.len())
            .finish()
    }
}

impl Tenant {
    /// The tenant's id.
    #[must_use]
    pub fn id(&self) -> &TenantId {
        &self.0.id
    }

    /// Where the tenant's portal is.
    #[must_use]
    pub fn portal(&self) -> &PortalAddress {
        &self.0.portal
    }

    /// The credential for the portal.
    #[must_use]
    pub fn credential(&self) -> &Credential {
        &self.0.credential
    }
}

#[cfg(test)]
mod tests {
    use super::{Directory, NotPermitted, Record};
    use crate::auth::{Caller, CallerName, Callers, Grants, NewKey};
    use crate::bitrix24::Suffix;
    use crate::bitrix24::{Credential, Policy, PortalAddress};
    use crate::config::{Auth, ConfiguredCaller};
    use crate::tenant::TenantId;

    const CANARY: &str = "s3cr3tcanary";

    fn id(text: &str) -> TenantId {
        TenantId::parse(text).unwrap()
    }

    fn directory() -> Directory {
        let policy = Policy {
            allowed_suffixes: vec![Suffix::parse("bitrix24.com").unwrap()],
            ..Policy::default()
        };
        Directory::new(["acme", "beta"].map(|name| Record {
            id: id(name),
            portal: PortalAddress::parse(&format!("{name}.bitrix24.com"), &policy).unwrap(),
            credential: Credential::Webhook {
                user_id: 1,
                secret: CANARY.into(),
            },
        }))
    }

    fn caller(grants: Grants) -> Caller {
        let key = NewKey::generate().unwrap();
        let keys = vec![key.entry()];
        let callers = Callers::new(&Auth::ApiKeys(vec![ConfiguredCaller {
            name: CallerName::parse("shop").unwrap(),
            grants,
            manages_tenants: false,
            keys,
        }]));
        callers
            .authenticate([format!("Bearer {}", key.expose())])
            .unwrap()
    }

    #[test]
    fn a_granted_tenant_is_found() {
        let tenant = directory()
            .resolve(&caller(Grants::only([id("acme")])), &id("acme"))
            .unwrap();
        assert_eq!(tenant.id(), &id("acme"));
        assert_eq!(tenant.portal().host(), "acme.bitrix24.com");
        assert!(!tenant.credential().is_application());
    }

    #[test]
    fn an_unknown_and_a_forbidden_tenant_look_the_same() {
        let caller = caller(Grants::only([id("acme"), id("ghost")]));
        assert_eq!(
            directory().resolve(&caller, &id("beta")).unwrap_err(),
            NotPermitted
        );
        assert_eq!(
            directory().resolve(&caller, &id("ghost")).unwrap_err(),
            NotPermitted
        );
        assert_eq!(
            directory().resolve(&caller, &id("nobody")).unwrap_err(),
            NotPermitted
        );
    }

    #[test]
    fn no_debug_output_shows_a_credential() {
        let directory = directory();
        let tenant = directory
            .resolve(&caller(Grants::Every), &id("acme"))
            .unwrap();
        let shown = format!("{directory:?} {tenant:?}");
        assert!(!shown.contains(CANARY), "{shown}");
    }
}
