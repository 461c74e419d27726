//! `portals.*`, `authorization.*`, `applications` and `tenants.*`: the tenants and the addresses
//! that they may have.

mod applications;

use std::path::PathBuf;
use std::time::Duration;

use bitrix24::{AuthorizationServer, HostName, Policy, SelfHosted, Suffix};
use store::StoredTenant;

use super::Applications;
use super::file::{TenantsFile, TenantsSource};
use crate::settings::form::{file, flag, list, seconds, text, whole};
use crate::settings::{Environment, Reader, Stamp, table};

const HOST_NAMES: &str = "full DNS names in lower case";
const SELF_HOSTED: &str = "full DNS names in lower case, each with `:PORT` unless it is 443";
const SUFFIXES: &str = "DNS names of two labels or more, without a leading dot";

table! {
    struct Portals {
        /// Domains of portals, compared by whole labels. A list given here replaces the default. A
        /// tenant cannot add to it.
        allowed_suffixes: Vec<Suffix> =
            "portals.allowed_suffixes" => list(SUFFIXES, Suffix::parse),
            default "bitrix24.com,bitrix24.com.br,bitrix24.com.tr,bitrix24.de,bitrix24.es,\
                     bitrix24.eu,bitrix24.fr,bitrix24.in,bitrix24.it,bitrix24.jp,bitrix24.kz,\
                     bitrix24.by,bitrix24.pl,bitrix24.ru,bitrix24.uk,bitrix24.ua,bitrix24.cn,\
                     bitrix24.mx,bitrix24.co,bitrix24.vn,bitrix24.id";

        /// Portals on your own servers, by their exact names, with the port if it is not 443:
        /// `crm.acme.example:8443`. Only these may resolve to private addresses, and Bitrix24's
        /// limits of the cloud do not apply to them. A domain of Bitrix24's cloud belongs in
        /// `portals.allowed_suffixes`.
        self_hosted: Vec<SelfHosted> =
            "portals.self_hosted" => list(SELF_HOSTED, SelfHosted::parse), default "";

        /// Whether a portal may be `http://127.0.0.1:PORT` or `http://[::1]:PORT`, without TLS,
        /// or the same with `https://`. For the sandbox. Other plain HTTP is never allowed.
        dangerous_allow_insecure: bool =
            "portals.dangerous_allow_insecure" => flag(), default "false";
    }
}

table! {
    struct Servers {
        /// The authorization servers that may be asked for tokens, by their exact names. A tenant
        /// or an installation that names another server is refused, because client secrets are
        /// sent to these servers.
        servers: Vec<HostName> =
            "authorization.servers" => list(HOST_NAMES, HostName::parse),
            default "oauth.bitrix.info,oauth.bitrix24.tech";
    }
}

table! {
    struct Authorization {
        /// The authorization server of tenants that name none. `oauth.bitrix24.tech` serves portals
        /// in the east.
        default_server: String =
            "authorization.default_server" => text(
                "one of `authorization.servers`, or `http://127.0.0.1:PORT` with \
                 `portals.dangerous_allow_insecure`",
                |text| Ok::<_, &str>(text.to_owned())),
            default "oauth.bitrix.info";

        /// Time for an authorization server to respond. If the response is lost, the service asks
        /// once more.
        timeout: Duration = "authorization.timeout_seconds" => seconds(1..=25), default "10";
    }
}

table! {
    struct File {
        /// The tenants file, described above. The service applies it to the store at start and at
        /// each change. Without it tenants come from the tenant service and from installations.
        path: Option<PathBuf> = "tenants.file" => file();

        /// Most tenants in memory, among those that calls are made for. Each takes about 1 kB, and
        /// a portal of its own up to 8 kB while it is called.
        maximum_cached: u64 =
            "tenants.maximum_cached" => whole(100..=1_000_000, "tenants"), default "100000";
    }
}

/// The tenants and the rules for them.
#[derive(Clone, Debug)]
pub struct TenantSettings {
    /// The addresses that may be called.
    pub policy: Policy,
    /// The authorization server of tenants that name none.
    pub default_server: AuthorizationServer,
    /// Time for an authorization server to respond.
    pub authorization_timeout: Duration,
    /// The applications that the operator registered.
    pub applications: Applications,
    /// The tenants file, if there is one.
    pub file: Option<ListedTenants>,
    /// Most tenants in memory.
    pub maximum_cached: u64,
}

/// The tenants file as it was read at start.
#[derive(Clone, Debug)]
pub struct ListedTenants {
    /// Reads the file again.
    pub source: TenantsSource,
    /// The stamp of the file before it was read; `None` if there was no such file.
    pub(crate) stamp: Option<Stamp>,
    pub tenants: Vec<StoredTenant>,
}

impl TenantSettings {
    /// Reads all of these, and the tenants file, so that its errors are reported together with
    /// those of the settings.
    pub(crate) fn read(reader: &mut Reader<'_>, environment: &Environment) -> Option<Self> {
        let portals = Portals::read(reader);
        let servers = Servers::read(reader);
        let policy = policy(portals, servers);
        let authorization = Authorization::read(reader);
        let default_server = default_server(reader, authorization.as_ref(), policy.as_ref());
        let applications = applications::read(reader, environment);
        let file = File::read(reader);
        let path = file.as_ref().and_then(|file| file.path.clone());
        let listed = match path {
            None => Some(None),
            Some(path) => {
                listed(reader, path, policy.as_ref(), &applications, environment).map(Some)
            }
        };
        Some(Self {
            policy: policy?,
            default_server: default_server?,
            authorization_timeout: authorization?.timeout,
            applications,
            file: listed?,
            maximum_cached: file?.maximum_cached,
        })
    }
}

fn policy(portals: Option<Portals>, servers: Option<Servers>) -> Option<Policy> {
    let portals = portals?;
    Some(Policy {
        allowed_suffixes: portals.allowed_suffixes,
        self_hosted: portals.self_hosted,
        authorization_servers: servers?.servers,
        dangerous_allow_insecure: portals.dangerous_allow_insecure,
    })
}

fn default_server(
    reader: &mut Reader<'_>,
    authorization: Option<&Authorization>,
    policy: Option<&Policy>,
) -> Option<AuthorizationServer> {
    AuthorizationServer::parse(&authorization?.default_server, policy?)
        .map_err(|error| reader.refuse_value("authorization.default_server", &error.to_string()))
        .ok()
}

/// Reads the tenants file. Without a policy it judges no portal: a valid one would look invalid.
fn listed(
    reader: &mut Reader<'_>,
    path: PathBuf,
    policy: Option<&Policy>,
    applications: &Applications,
    environment: &Environment,
) -> Option<ListedTenants> {
    let stamp = Stamp::of(&path);
    let read = TenantsFile::read(&path, policy, applications, environment);
    reader.other_variables.extend(read.variables);
    reader.errors.extend(read.errors);
    let source = TenantsSource {
        path,
        policy: policy?.clone(),
        applications: applications.clone(),
        environment: environment.clone(),
    };
    let tenants = read.tenants;
    Some(ListedTenants {
        source,
        stamp,
        tenants,
    })
}
