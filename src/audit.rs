//! The audit trail: one log line per change of a tenant, never with a secret.

use std::fmt;

use bitrix24::TenantId;

use crate::telemetry::AUDIT;

/// Who changed something.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Actor<'a> {
    /// A caller of the tenant service, by its name in the settings.
    Caller(&'a str),
    TenantsFile,
    /// The portal's administrator, through this application.
    Portal(&'a str),
    /// The service itself, after a response of Bitrix24.
    Service,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Created,
    Updated,
    Disabled,
    Enabled,
    Deleted,
    /// The portal's new address was verified and stored.
    PortalMoved,
    /// The tenant needs reauthorization.
    ReauthorizationRequired,
    Reinstalled,
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

/// Logs a change. `facts` has details without secrets: the changed fields, the old and the new
/// address, the cause.
pub(crate) fn record(actor: Actor<'_>, action: Action, tenant: &TenantId, facts: &str) {
    tracing::info!(
        target: AUDIT,
        actor = %actor,
        action = action.as_str(),
        tenant = %tenant,
        facts,
        "audit"
    );
}
