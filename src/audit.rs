//! The trail of changes to tenants: who did what, and when. One log line each, never with a secret.

use std::fmt;

use bitrix24::TenantId;

use crate::telemetry::AUDIT;

/// Who changed something.
#[derive(Clone, Copy, Debug)]
pub enum Actor<'a> {
    /// A caller of the tenant service, by its name in the settings.
    Caller(&'a str),
    /// The tenants file.
    TenantsFile,
    /// The portal's administrator, who installed or removed this application.
    Portal(&'a str),
    /// The service itself, because Bitrix24 told it so.
    Service,
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A tenant was created.
    Created,
    /// A tenant's fields or credentials were changed.
    Updated,
    /// A tenant was switched off.
    Disabled,
    /// A tenant was switched on again.
    Enabled,
    /// A tenant was deleted.
    Deleted,
    /// The portal's new address was verified and entered.
    PortalMoved,
    /// A tenant was marked: a person has to authorize the service anew.
    ReauthorizationRequired,
    /// The application was installed again on the portal.
    Reinstalled,
    /// The application was removed from the portal.
    Uninstalled,
}

impl Action {
    fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Disabled => "disabled",
            Self::Enabled => "enabled",
            Self::Deleted => "deleted",
            Self::PortalMoved => "portal_moved",
            Self::ReauthorizationRequired => "reauthorization_required",
            Self::Reinstalled => "reinstalled",
            Self::Uninstalled => "uninstalled",
        }
    }
}

impl fmt::Display for Actor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Caller(name) => write!(f, "caller {name}"),
            Self::TenantsFile => f.write_str("tenants file"),
            Self::Portal(application) => write!(f, "portal, application {application}"),
            Self::Service => f.write_str("service"),
        }
    }
}

/// Writes down that `actor` has done `action` to `tenant`. `facts` says more, in words without secrets: the fields that
/// changed, the old and the new address, the cause.
pub fn record(actor: Actor<'_>, action: Action, tenant: &TenantId, facts: &str) {
    tracing::info!(
        target: AUDIT,
        actor = %actor,
        action = action.as_str(),
        tenant = %tenant,
        facts,
        "audit"
    );
}
