//! The proof of a caller's identity.

use std::fmt;
use std::sync::Arc;

use super::caller_name::ANONYMOUS;
use super::grants::Grants;
use super::methods::Methods;
use bitrix24::TenantId;
use store::key_text::KeyId;

/// Proof that a call comes from this caller. Only [`Callers`](super::Callers) makes one. Cheap to
/// clone.
#[derive(Clone, Debug)]
pub struct Caller(Arc<Identity>);

/// Proof that a caller may call this method. Only [`Caller::permit`] makes one.
#[derive(Clone, Copy, Debug)]
pub struct Permitted<'a>(&'a Caller);

/// Proof that a caller may act for this tenant, if it exists. Only [`Permitted::grant`] and
/// [`Caller::grant_managed`] make one.
#[derive(Clone, Debug)]
pub struct Grant(TenantId);

/// How a caller proved itself. Never the credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// Authentication is off.
    None,
    ApiKey(KeyId),
    /// A JWT of this issuer.
    Token(Arc<str>),
    /// A client certificate with this URI.
    Certificate(Arc<str>),
}

/// A caller with one of its credentials.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) rights: Arc<Rights>,
    pub(super) credential: Credential,
}

/// What a caller may do, whatever it shows.
#[derive(Debug)]
pub(super) struct Rights {
    pub(super) name: Arc<str>,
    pub(super) grants: Grants,
    pub(super) methods: Methods,
    pub(super) manages_tenants: bool,
}

impl Identity {
    /// Every caller while authentication is off.
    pub(super) fn anonymous() -> Self {
        let rights = Rights {
            name: ANONYMOUS.into(),
            grants: Grants::Every,
            methods: Methods::Every,
            manages_tenants: true,
        };
        Self {
            rights: Arc::new(rights),
            credential: Credential::None,
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
        &self.0.rights.name
    }

    /// How the caller proved itself.
    pub fn credential(&self) -> &Credential {
        &self.0.credential
    }

    pub fn may_act_for(&self, tenant: &TenantId) -> bool {
        self.0.rights.grants.include(tenant)
    }

    /// The proof that the caller may call this method of `OpenLinesService`; `None` if it may not.
    pub fn permit(&self, method: &str) -> Option<Permitted<'_>> {
        let may = self.0.rights.methods.include(method);
        may.then_some(Permitted(self))
    }

    /// The proof that the caller may act for a tenant that it manages; `None` if it does not manage
    /// this one.
    pub fn grant_managed(&self, tenant: &TenantId) -> Option<Grant> {
        let may = self.manages_tenants() && self.may_act_for(tenant);
        may.then(|| Grant(tenant.clone()))
    }

    pub fn grants(&self) -> &Grants {
        &self.0.rights.grants
    }

    /// Whether the caller may manage its tenants.
    pub fn manages_tenants(&self) -> bool {
        self.0.rights.manages_tenants
    }
}

impl Permitted<'_> {
    /// The proof that the caller may act for a tenant; `None` if it may not.
    pub fn grant(self, tenant: &TenantId) -> Option<Grant> {
        let may = self.0.may_act_for(tenant);
        may.then(|| Grant(tenant.clone()))
    }
}

impl Grant {
    pub fn tenant(&self) -> &TenantId {
        &self.0
    }
}

/// Writes the kind with its public part, for logs and audit.
impl fmt::Display for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::ApiKey(id) => write!(f, "api_key {id}"),
            Self::Token(issuer) => write!(f, "jwt {issuer}"),
            Self::Certificate(uri) => write!(f, "certificate {uri}"),
        }
    }
}
