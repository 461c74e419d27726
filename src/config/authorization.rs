//! `authorization.*`: the servers that grant access tokens.

use std::time::Duration;

use super::reader::Reader;
use super::setting::{Form, Setting};
use bitrix24::{AuthorizationServer, HostName, Policy};

/// The servers that grant access tokens.
#[derive(Clone, Debug)]
pub struct Authorization {
    /// Who is asked for a tenant that names no server. Default `oauth.bitrix.info`.
    pub default_server: AuthorizationServer,
    /// How long a server may take to answer. Default 10 s; 1–25 s.
    pub timeout: Duration,
}

pub(super) const SETTINGS: &[&Setting] = &[&SERVERS, &DEFAULT_SERVER, &TIMEOUT];

static SERVERS: Setting = Setting {
    path: "authorization.servers",
    form: Form::HostNames,
    default: Some("oauth.bitrix.info,oauth.bitrix24.tech"),
    meaning: "The authorization servers that may be asked for tokens, by their exact names. A tenant or an installation that \
              names another one is refused, because client secrets are sent there.",
};
static DEFAULT_SERVER: Setting = Setting {
    path: "authorization.default_server",
    form: Form::AuthorizationServer,
    default: Some("oauth.bitrix.info"),
    meaning: "The authorization server of tenants that name none: `oauth.bitrix24.tech` for portals in the east.",
};
static TIMEOUT: Setting = Setting {
    path: "authorization.timeout_seconds",
    form: Form::Whole {
        minimum: 1,
        maximum: 25,
        unit: "seconds",
    },
    default: Some("10"),
    meaning: "How long an authorization server may take to answer. After a lost answer it is asked once more.",
};

/// Reads which authorization servers are allowed.
pub(super) fn servers(reader: &mut Reader<'_>) -> Option<Vec<HostName>> {
    reader.list(&SERVERS, |text| {
        HostName::parse(text).map_err(|error| error.to_string())
    })
}

impl Authorization {
    pub(super) fn read(reader: &mut Reader<'_>, policy: Option<&Policy>) -> Option<Self> {
        let timeout = reader.whole(&TIMEOUT).map(Duration::from_secs);
        let policy = policy?;
        let default_server = reader.parsed(&DEFAULT_SERVER, |text| {
            AuthorizationServer::parse(text, policy).map_err(|error| error.to_string())
        });
        Some(Self {
            default_server: default_server?,
            timeout: timeout?,
        })
    }
}
