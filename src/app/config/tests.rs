//! Whole configurations, read as the process reads them.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use super::Config;
use crate::auth::Auth;
use crate::dispatch::Options;
use crate::openlines::NameRule;
use crate::settings::{Environment, Origin, SettingErrors};
use crate::telemetry::LogFormat;
use ::store::sealing::Key;
use secrecy::ExposeSecret;

mod callers;
mod errors;
#[cfg(unix)]
mod exposure;
mod names;
mod page;
mod rules;
mod schema;
mod store;
mod telemetry;
mod transport;

const CANARY: &str = "s3cr3tcanary";
const NO_TENANTS: &str = "tenants: []\n";

/// A folder with configuration files, and an environment.
struct Bench {
    folder: tempfile::TempDir,
    variables: Vec<(String, String)>,
}

impl Bench {
    fn new(tenants: &str) -> Self {
        let bench = Self {
            folder: private_folder(),
            variables: Vec::new(),
        };
        let tenants = bench.file("tenants.yaml", tenants);
        let key = Key::generate().unwrap().expose();
        bench
            .variable("OPENLINES_TENANTS_FILE", tenants.to_str().unwrap())
            .variable("OPENLINES_STORE_KEYRING", key.expose_secret())
    }

    /// Without authentication, which needs no callers.
    fn open(tenants: &str) -> Self {
        Self::new(tenants).variable("OPENLINES_AUTH_MODE", "dangerous_none")
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    fn load(&self, settings: &str) -> Result<Config, SettingErrors> {
        let file = self.file("settings.yaml", settings);
        Config::load(Some(&file), &Environment::from_iter(self.variables.clone()))
    }

    /// The places of all errors, without the names of files.
    fn faulty(&self, settings: &str) -> Vec<String> {
        let errors = self.load(settings).unwrap_err();
        errors
            .iter()
            .map(|error| first_word(error.place()))
            .collect()
    }

    fn report(&self, settings: &str) -> String {
        self.load(settings).unwrap_err().to_string()
    }
}

/// A folder for files with secrets.
fn private_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let private = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(folder.path(), private).unwrap();
    }
    folder
}

fn first_word(text: &str) -> String {
    text.split(' ').next().unwrap_or_default().to_owned()
}

#[test]
fn everything_but_tenants_and_callers_has_a_default() {
    let config = Bench::open(NO_TENANTS).load("").unwrap();
    assert_eq!(config.server.listen, "127.0.0.1:50051".parse().unwrap());
    assert!(config.edge.tls.certificate_file.is_none());
    assert!(!config.server.reflection);
    assert_eq!(config.server.default_deadline, Duration::from_secs(30));
    assert_eq!(config.server.maximum_deadline, Duration::from_secs(55));
    assert_eq!(config.server.maximum_concurrent_calls, 20_000);
    assert_eq!(config.server.maximum_request_bytes, 1024 * 1024);
    assert_eq!(config.server.maximum_bytes_in_progress, 256 * 1024 * 1024);
    assert_eq!(config.server.drain, Duration::from_secs(30));
    assert_eq!(config.server.shutdown_delay, Duration::ZERO);
    assert!(matches!(config.auth, Auth::DangerousNone));
    assert!(config.tenants.file.unwrap().tenants.is_empty());
    assert_eq!(config.tenants.policy.allowed_suffixes.len(), 21);
    assert!(config.tenants.policy.self_hosted.is_empty());
    assert!(!config.tenants.policy.dangerous_allow_insecure);
    assert_eq!(config.transport.connect_timeout, Duration::from_secs(5));
    assert_eq!(config.transport.maximum_response_bytes, 8 * 1024 * 1024);
    assert_eq!(config.transport.idle_connection, Duration::from_secs(4));
    assert_eq!(config.dispatch, Options::default());
    assert_eq!(config.ledger.lifetime, Duration::from_secs(24 * 60 * 60));
    assert_eq!(config.rules.names, NameRule::Strict);
    assert_eq!(config.rules.maximum_messages, 100);
    assert_eq!(config.rules.maximum_text_characters, 20_000);
    assert_eq!(config.rules.maximum_attachment_bytes, 30_720);
    assert_eq!(config.rules.maximum_keyboard_bytes, 30_720);
    assert_eq!(config.log.format, LogFormat::Json);
    assert_eq!(config.log.filter, "info");
}

#[test]
fn the_environment_overrides_the_file_and_the_file_the_default() {
    let bench = Bench::open(NO_TENANTS)
        .variable("OPENLINES_SERVER_DRAIN_SECONDS", "12")
        .variable(
            "OPENLINES_PORTALS_SELF_HOSTED",
            "crm.acme.example, b24.acme.example",
        );
    let config = bench
        .load(
            "server:\n  drain_seconds: 11\n  reflection: true\nlog: {format: text}\n\
             portals:\n  allowed_suffixes: [bitrix24.com]\n",
        )
        .unwrap();
    assert_eq!(config.server.drain, Duration::from_secs(12));
    assert!(config.server.reflection);
    assert_eq!(config.log.format, LogFormat::Text);
    assert_eq!(config.tenants.policy.self_hosted.len(), 2);
    assert_eq!(config.tenants.policy.allowed_suffixes.len(), 1);
    let origin = |path: &str| {
        let effective = config
            .effective()
            .iter()
            .find(|setting| setting.path == path)
            .unwrap();
        (effective.value.clone(), effective.origin)
    };
    assert_eq!(
        origin("server.drain_seconds"),
        ("12".to_owned(), Origin::Environment)
    );
    assert_eq!(
        origin("server.reflection"),
        ("true".to_owned(), Origin::File)
    );
    assert_eq!(origin("log.filter"), ("info".to_owned(), Origin::Default));
}

#[test]
fn every_setting_is_read_exactly_once() {
    let config = Bench::open(NO_TENANTS).load("").unwrap();
    let mut read: Vec<&str> = config
        .effective()
        .iter()
        .map(|setting| setting.path)
        .collect();
    let mut known: Vec<&str> = Config::settings()
        .iter()
        .map(|setting| setting.path)
        .collect();
    read.sort_unstable();
    known.sort_unstable();
    assert_eq!(read, known);
}

#[test]
fn no_two_settings_share_a_variable() {
    let settings = Config::settings();
    let variables: Vec<&String> = settings
        .iter()
        .filter_map(|s| s.variable.as_ref())
        .collect();
    let different: BTreeSet<&&String> = variables.iter().collect();
    assert_eq!(different.len(), variables.len());
}

#[test]
fn the_file_can_be_named_by_the_environment() {
    let bench = Bench::open(NO_TENANTS);
    let file = bench.file("named.yaml", "server: {drain_seconds: 7}\n");
    let bench = bench.variable("OPENLINES_CONFIG", file.to_str().unwrap());
    let config = Config::load(None, &Environment::from_iter(bench.variables)).unwrap();
    assert_eq!(config.server.drain, Duration::from_secs(7));
}
