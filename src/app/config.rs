//! All settings of the service: the tables of its parts, and the rules between them.

mod exposure;
mod schema;
mod store;
#[cfg(test)]
mod tests;
mod transport;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::Value;

pub(crate) use self::schema::OperatorsFile;
pub(crate) use self::store::{StoreReadiness, StoreSettings};
pub(crate) use self::transport::TransportSettings;
use crate::auth::{Auth, AuthSettings};
use crate::dispatch::{LedgerSettings, Options};
use crate::install::InstallationSettings;
use crate::openlines::Rules;
use crate::server::{AdminSettings, EdgeSettings, ServerSettings};
use crate::settings::{
    Document, Effective, Environment, NotUnicode, Reader, Setting, SettingError, SettingErrors,
};
use crate::telemetry::{self, CollectorSettings, LogSettings, OtelVariables};
use crate::tenant::TenantSettings;

/// Names the settings file, if the command line does not.
const FILE_VARIABLE: &str = "OPENLINES_CONFIG";

/// Holds the API key of the commands that call a running service. The service ignores it.
pub(crate) const API_KEY_VARIABLE: &str = "OPENLINES_API_KEY";

/// Holds the address of the service for these commands, as their option `--address` does.
pub(crate) const ADDRESS_VARIABLE: &str = "OPENLINES_ADDRESS";

/// Holds the path of a file with certificates for these commands, as their option `--ca-file` does.
pub(crate) const CA_FILE_VARIABLE: &str = "OPENLINES_CA_FILE";

/// The settings of one process; all of them are valid.
#[derive(Debug)]
pub struct Config {
    /// The gRPC listener and the limits of a call.
    pub server: ServerSettings,
    /// Connections and TLS of the gRPC listener.
    pub edge: EdgeSettings,
    /// The admin port.
    pub admin: AdminSettings,
    /// The callers.
    pub auth: Auth,
    /// The tenants and the rules for them.
    pub tenants: TenantSettings,
    /// Limits of connections to portals.
    pub transport: TransportSettings,
    /// The end point for installations.
    pub installation: InstallationSettings,
    /// The store of tenants and their credentials.
    pub store: StoreSettings,
    /// Limits of queues, batches and budgets.
    pub dispatch: Options,
    /// The ledger of idempotency keys.
    pub ledger: LedgerSettings,
    /// Limits of requests.
    pub rules: Rules,
    pub log: LogSettings,
    /// What an OpenTelemetry collector gets.
    pub telemetry: CollectorSettings,
    /// What the environment says of traces and metrics.
    pub otel: OtelVariables,
    effective: Vec<Effective>,
}

impl Config {
    /// Reads the settings file and the environment, which overrides it, then the files that they
    /// name. Without `file` the variable `OPENLINES_CONFIG` names the settings file, or there is
    /// none. Paths are relative to the working directory.
    ///
    /// # Errors
    ///
    /// All errors of settings, callers, applications and tenants. If the settings file cannot be
    /// read or is not YAML, only that: other errors could follow from it.
    pub fn load(file: Option<&Path>, environment: &Environment) -> Result<Self, SettingErrors> {
        let document = settings_file(file, environment)?;
        Self::of_document(&document, environment)
    }

    /// The same for the text of a settings file, without environment. For the fuzz targets.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load) has them, each in words.
    pub fn of_text(text: &str) -> Result<Self, String> {
        let document = Document::of_text("settings file".to_owned(), text);
        let document = document.map_err(|error| error.to_string())?;
        Self::of_document(&document, &Environment::default()).map_err(|errors| errors.to_string())
    }

    fn of_document(document: &Document, environment: &Environment) -> Result<Self, SettingErrors> {
        let (config, _, errors) = Self::read(document, environment);
        if errors.is_empty() {
            config.ok_or(errors)
        } else {
            Err(errors)
        }
    }

    /// Each setting with the value in force and its origin, for the log at start. Secrets are
    /// masked.
    pub fn effective(&self) -> &[Effective] {
        &self.effective
    }

    /// The settings that there are, in the order of docs/settings.md.
    pub fn settings() -> Vec<Setting> {
        let document = Document::without_file(Value::Null);
        Self::read(&document, &Environment::default()).1
    }

    fn read(
        document: &Document,
        environment: &Environment,
    ) -> (Option<Self>, Vec<Setting>, SettingErrors) {
        let mut reader = Reader::new(document, environment);
        let others = [
            FILE_VARIABLE,
            API_KEY_VARIABLE,
            ADDRESS_VARIABLE,
            CA_FILE_VARIABLE,
        ];
        reader.other_variables.extend(others.map(str::to_owned));

        let files = exposure::Files::read(&mut reader);
        let is_exposure_allowed = files.is_some_and(|files| files.dangerous_world_readable);
        let environment = &environment.with_world_readable_files(is_exposure_allowed);
        let server = ServerSettings::read(&mut reader);
        let edge = EdgeSettings::read(&mut reader);
        let admin = AdminSettings::read(&mut reader);
        let auth = Auth::read(&mut reader);
        let tenants = TenantSettings::read(&mut reader, environment);
        let transport = TransportSettings::read(&mut reader);
        let installation = InstallationSettings::read(&mut reader);
        let store = StoreSettings::read(&mut reader);
        let dispatch = Options::read(&mut reader);
        let ledger = LedgerSettings::read(&mut reader);
        let rules = Rules::read(&mut reader);
        let log = LogSettings::read(&mut reader);
        if let Some(log) = &log {
            telemetry::remember_format(log.format);
        }
        let telemetry = CollectorSettings::read(&mut reader);
        let otel = OtelVariables::read(&mut reader, environment, telemetry.as_ref());

        if let (Some(transport), Some(tenants)) = (&transport, &tenants) {
            transport::pins_are_of_self_hosted_portals(&mut reader, transport, &tenants.policy);
        }
        if !is_exposure_allowed {
            let auth = auth.as_ref().and_then(Auth::settings);
            exposure::files_are_private(&mut reader, document, auth);
        }
        exposure::plaintext_is_said(&mut reader);
        open_on_loopback_only(&mut reader);
        installations_need_an_application(&mut reader);
        if let (Some(_), Some(auth)) = (&edge, auth.as_ref().and_then(Auth::settings)) {
            certificates_need_an_authority(&mut reader, auth);
        }
        let pass = reader.finish();
        let effective = pass.effective;
        let config = move || {
            Some(Self {
                server: server?,
                edge: edge?,
                admin: admin?,
                auth: auth?,
                tenants: tenants?,
                transport: transport?,
                installation: installation?,
                store: store?,
                dispatch: dispatch?,
                ledger: ledger?,
                rules: rules?,
                log: log?,
                telemetry: telemetry?,
                otel,
                effective,
            })
        };
        (config(), pass.known, pass.errors)
    }
}

fn open_on_loopback_only(reader: &mut Reader<'_>) {
    let value = |path| reader.in_force(path).map(|(value, _)| value);
    let listen = value("server.listen").and_then(|value| value.parse::<SocketAddr>().ok());
    let loopback = listen.is_none_or(|listen| listen.ip().is_loopback());
    if value("auth.mode") == Some("dangerous_none") && !loopback {
        let problem = "must not be dangerous_none, because server.listen is not a loopback address \
                       and any peer could send messages";
        let remedy = "set it to api_keys, or server.listen to 127.0.0.1:50051";
        reader.refuse("auth.mode", problem, remedy);
    }
}

fn installations_need_an_application(reader: &mut Reader<'_>) {
    let given = |path| {
        reader
            .in_force(path)
            .is_some_and(|(value, _)| !value.is_empty())
    };
    if given("installation.listen") && !given("applications") {
        let problem = "is given, but there is no application to install";
        reader.refuse(
            "installation.listen",
            problem,
            "give `applications`, or remove it",
        );
    }
}

fn certificates_need_an_authority(reader: &mut Reader<'_>, auth: &AuthSettings) {
    let authority = reader.in_force("server.tls.client_ca_file");
    if auth.has_certificates() && authority.is_none_or(|(path, _)| path.is_empty()) {
        reader.refuse(
            "server.tls.client_ca_file",
            "is missing, though callers have `certificates`: no client is asked for one",
            "give the certificates of the authorities that issue them, or remove `certificates`",
        );
    }
}

fn settings_file(
    argument: Option<&Path>,
    environment: &Environment,
) -> Result<Document, SettingErrors> {
    let path = match (argument, environment.get(FILE_VARIABLE)) {
        (Some(path), _) => path.to_owned(),
        (None, Some(Ok(path))) => PathBuf::from(path),
        (None, Some(Err(NotUnicode))) => {
            return Err(SettingErrors::from(SettingError::new(
                FILE_VARIABLE,
                "is not Unicode text",
                "give the path of the settings file in UTF-8",
            )));
        }
        (None, None) => return Ok(Document::without_file(Value::Null)),
    };
    Document::read(&path, "settings file").map_err(SettingErrors::from)
}
