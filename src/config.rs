//! Every setting of the process: from a file, overridden by the environment, judged as a whole.
//!
//! This module is the only reader of the process environment. [`Config::load`] reports all faults
//! of a configuration at once, those of the tenants file included, and no fault quotes a value,
//! because any value may be a secret that was pasted into the wrong place.

mod applications;
mod auth;
mod authorization;
mod dispatch;
mod document;
mod environment;
mod fault;
mod installation;
mod log;
mod node;
mod portals;
mod reader;
mod reference;
mod server;
mod setting;
mod store;
mod suggestion;
mod telemetry;
mod tenants;
mod unknown;
mod validation;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::tenant::Applications;
pub use auth::{Auth, ConfiguredCaller};
pub use authorization::Authorization;
pub use dispatch::Dispatch;
pub(crate) use document::Document;
pub use environment::{Environment, NotUnicode};
pub use fault::{Fault, Faults};
pub use installation::Installation;
pub use log::{Log, LogFormat};
pub(crate) use node::Fields;
pub(crate) use node::Node;
pub use portals::Portals;
use reader::Reader;
pub use reader::{Effective, Origin};
pub use reference::reference_tables;
pub use server::{Server, Tls};
pub use setting::{Form, Setting};
pub use store::Store;
pub use telemetry::Telemetry;
pub use tenants::{ListedTenants, Tenants};
pub use validation::{NameRule, Validation};

/// Start of the name of every environment variable that is a setting.
const VARIABLE_PREFIX: &str = "OPENLINES_";

/// Names the settings file, if the command line does not.
const FILE_VARIABLE: &str = "OPENLINES_CONFIG";

/// Holds the API key of the commands that call a running service. No setting: a service that finds it lets it be.
pub(crate) const API_KEY_VARIABLE: &str = "OPENLINES_API_KEY";

/// The settings of one process, free of faults.
#[derive(Debug)]
pub struct Config {
    /// The gRPC listener and the limits of a call.
    pub server: Server,
    /// Who may call.
    pub auth: Auth,
    /// For whom calls are made.
    pub tenants: Tenants,
    /// The applications that the operator has registered.
    pub applications: Applications,
    /// The servers that grant access tokens.
    pub authorization: Authorization,
    /// Where Bitrix24 reports installations.
    pub installation: Installation,
    /// Where tenants and their credentials are kept.
    pub store: Store,
    /// Which portals may be called, and how patiently.
    pub portals: Portals,
    /// How calls wait for a portal, and how long idempotency keys are kept.
    pub dispatch: Dispatch,
    /// What is refused before Bitrix24 is asked.
    pub validation: Validation,
    /// What the process says of itself.
    pub log: Log,
    /// Traces and metrics.
    pub telemetry: Telemetry,
    effective: Vec<Effective>,
}

impl Config {
    /// Reads the settings from `file`, or from the file that `OPENLINES_CONFIG` names, or from
    /// none; then from the environment, which overrides the file; then the tenants file.
    ///
    /// Paths in the settings are relative to the working directory.
    ///
    /// # Errors
    ///
    /// All faults of settings and tenants together. If the settings file cannot be read or is no
    /// YAML, only that: what the rest lacks would follow from it.
    pub fn load(file: Option<&Path>, environment: &Environment) -> Result<Self, Faults> {
        let document = read_settings_file(file, environment)?;
        let mut reader = Reader::new(&document, environment);

        let listen = server::listen(&mut reader);
        let server = Server::read(&mut reader, listen);
        let auth = Auth::read(&mut reader, listen);
        let policy = portals::policy(&mut reader);
        let store = Store::read(&mut reader);
        let applications = applications::read(&mut reader, environment);
        let tenants = Tenants::read(&mut reader, policy.as_ref(), &applications, environment);
        let authorization = Authorization::read(&mut reader, policy.as_ref());
        let installation = Installation::read(&mut reader, &applications);
        let portals = Portals::read(&mut reader, policy);
        let dispatch = Dispatch::read(&mut reader);
        let validation = Validation::read(&mut reader);
        let log = Log::read(&mut reader);
        let telemetry = Telemetry::read(&mut reader);
        let (effective, faults) = reader.finish();
        if !faults.is_empty() {
            return Err(faults);
        }
        let config = move || {
            Some(Self {
                server: server?,
                auth: auth?,
                tenants: tenants?,
                applications,
                authorization: authorization?,
                installation: installation?,
                store: store?,
                portals: portals?,
                dispatch: dispatch?,
                validation: validation?,
                log: log?,
                telemetry: telemetry?,
                effective,
            })
        };
        config().ok_or(faults)
    }

    /// Every setting with the value in force and where it came from, for the log at start. Holds no
    /// secret: secrets stand in the tenants file only.
    pub fn effective(&self) -> &[Effective] {
        &self.effective
    }
}

/// All settings, in the order of the documentation.
pub fn settings() -> Vec<&'static Setting> {
    [
        server::SETTINGS,
        auth::SETTINGS,
        tenants::SETTINGS,
        store::SETTINGS,
        applications::SETTINGS,
        authorization::SETTINGS,
        installation::SETTINGS,
        portals::SETTINGS,
        dispatch::SETTINGS,
        validation::SETTINGS,
        log::SETTINGS,
        telemetry::SETTINGS,
    ]
    .into_iter()
    .flatten()
    .copied()
    .collect()
}

fn read_settings_file(
    argument: Option<&Path>,
    environment: &Environment,
) -> Result<Document, Faults> {
    let path = match (argument, environment.get(FILE_VARIABLE)) {
        (Some(path), _) => path.to_owned(),
        (None, Some(Ok(path))) => PathBuf::from(path),
        (None, Some(Err(NotUnicode))) => {
            return Err(Faults::from(Fault::new(
                FILE_VARIABLE,
                "is not Unicode text",
                "give the path of the settings file in UTF-8",
            )));
        }
        (None, None) => return Ok(Document::without_file(Value::Null)),
    };
    Document::read(&path, "settings file").map_err(Faults::from)
}
