//! Whole configurations, read the way the process reads them.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use super::Config;
use crate::auth::Auth;
use crate::dispatch::Options;
use crate::settings::{Environment, Origin, SettingErrors, is_service_link};
use crate::telemetry::LogFormat;
use secrecy::ExposeSecret;
use store::sealing::Key;

mod callers;
mod page;

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
            folder: tempfile::tempdir().unwrap(),
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

fn first_word(text: &str) -> String {
    text.split(' ').next().unwrap_or_default().to_owned()
}

#[test]
fn everything_but_tenants_and_callers_has_a_default() {
    let config = Bench::open(NO_TENANTS).load("").unwrap();
    assert_eq!(config.server.listen, "127.0.0.1:50051".parse().unwrap());
    assert!(config.server.certificate_file.is_none());
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
    assert_eq!(config.transport.idle_connection, Duration::from_secs(30));
    assert_eq!(config.dispatch, Options::default());
    assert_eq!(config.ledger.lifetime, Duration::from_secs(24 * 60 * 60));
    assert_eq!(config.rules.strict_names, true);
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

#[test]
fn all_faults_of_file_environment_and_tenants_are_reported_at_once() {
    let bench = Bench::new("tenants:\n  - {id: Acme, portal: evil.org, webhok: {}}\n")
        .variable("OPENLINES_SERVER_DRAIN_SECONDS", "soon")
        .variable("OPENLINES_SERVER_LISTN", "x")
        .variable("OPENLINES_LOG_FORMAT", "xml");
    let places = bench.faulty(
        "server:\n  listen: 5\n  default_deadline_seconds: 40\n  maximum_deadline_seconds: 20\n\
         \x20 shutdown_delay_seconds: -1\n  maximum_concurrent_calls: 0\n  tls: {certificate_file: /nope}\n\
         portals:\n  self_hosted: [localhost, https://x.example]\n  connect_timeout_seconds: 3.5\n\
         validation: {names: maybe}\nlog: {filter: 'a=b=c'}\nsever: {}\n",
    );
    let expected = [
        "server.listen",
        "server.tls.certificate_file",
        "server.maximum_concurrent_calls",
        "server.drain_seconds",
        "server.shutdown_delay_seconds",
        "server.default_deadline_seconds",
        "auth.callers",
        "portals.self_hosted",
        "portals.self_hosted",
        "tenants[0].webhok",
        "tenants[0].id",
        "tenants[0]",
        "portals.connect_timeout_seconds",
        "validation.names",
        "log.format",
        "log.filter",
        "sever",
        "environment",
    ];
    assert_eq!(places, expected);
}

#[test]
fn no_operating_limit_is_written_as_zero() {
    let bench = Bench::open(NO_TENANTS);
    let limit = |seconds: u64| {
        let settings = format!("dispatch: {{operating_limit_seconds: {seconds}}}\n");
        bench.load(&settings).unwrap().dispatch.operating_limit
    };
    assert_eq!(limit(0), None);
    assert_eq!(limit(240), Some(Duration::from_secs(240)));
}

#[test]
fn the_largest_request_fits_into_what_may_be_in_progress() {
    let bench = Bench::open(NO_TENANTS);
    let settings = |bytes: u64| format!("server: {{maximum_bytes_in_progress: {bytes}}}\n");
    assert_eq!(
        bench.faulty(&settings(1024 * 1024 - 1)),
        ["server.maximum_bytes_in_progress"]
    );
    assert!(bench.load(&settings(1024 * 1024)).is_ok());
}

#[test]
fn a_fault_names_setting_variable_source_problem_and_remedy() {
    let report = Bench::open(NO_TENANTS).report("server: {drain_seconds: 601}\n");
    assert_eq!(
        report,
        "the configuration has 1 error:\n  1. server.drain_seconds (OPENLINES_SERVER_DRAIN_SECONDS): \
         the value from the file is too large; give 1 to 600 seconds"
    );
}

#[test]
fn both_ends_of_a_range_are_allowed_and_the_next_values_are_not() {
    let bench = Bench::open(NO_TENANTS);
    for (value, allowed) in [("0", false), ("1", true), ("600", true), ("601", false)] {
        let loaded = bench.load(&format!("server: {{drain_seconds: {value}}}\n"));
        assert_eq!(loaded.is_ok(), allowed, "{value}");
    }
}

#[test]
fn numbers_are_digits_only_in_the_environment() {
    for value in [
        "",
        "+5",
        "-5",
        "5s",
        " 5",
        "5.0",
        "0x5",
        "99999999999999999999",
        "5_0",
    ] {
        let bench = Bench::open(NO_TENANTS).variable("OPENLINES_SERVER_DRAIN_SECONDS", value);
        assert_eq!(bench.faulty(""), ["server.drain_seconds"], "{value:?}");
    }
}

#[test]
fn a_misspelt_name_is_answered_with_the_right_one() {
    let bench = Bench::open(NO_TENANTS).variable("OPENLINES_SERVER_REFLECTON", "true");
    let report = bench.report("server: {lisen: '127.0.0.1:1'}\n");
    assert!(report.contains("did you mean server.listen?"), "{report}");
    assert!(
        report.contains("did you mean OPENLINES_SERVER_REFLECTION?"),
        "{report}"
    );
}

#[test]
fn a_dotted_key_is_an_error_with_the_nested_form_at_every_level() {
    let bench = Bench::open(NO_TENANTS);
    for (settings, nested) in [
        (
            "server.tls.certificate_file: /x\n",
            "`server: {tls: {certificate_file: …}}`",
        ),
        (
            "server: {tls.certificate_file: /x}\n",
            "`server: {tls: {certificate_file: …}}`",
        ),
        ("server.tls: {certificate_file: /x}\n", "`server: {tls: …}`"),
    ] {
        let report = bench.report(settings);
        assert!(report.contains("1 error:"), "{report}");
        let wanted = format!("is an unknown setting; nest the keys: {nested}");
        assert!(report.contains(&wanted), "{report}");
    }
    assert_eq!(
        bench.faulty("a.b: 1\nserver.listn: x\n"),
        ["a.b", "server.listn"]
    );
    assert_eq!(
        bench.faulty("applications.name: x\n"),
        ["applications.name"]
    );

    let tenants = "tenants: [{id: acme, portal: a.bitrix24.com, webhook.secret: {inline: x}}]\n";
    let report = Bench::open(tenants).report("");
    assert!(
        report.contains("nest the keys: `webhook: {secret: …}`"),
        "{report}"
    );
}

#[test]
fn the_variable_with_an_api_key_is_not_a_misspelt_setting() {
    let bench = Bench::open(NO_TENANTS)
        .variable("OPENLINES_API_KEY", "x")
        .variable("OPENLINES_API_KEYS", "x");
    let report = bench.report("");
    assert!(report.contains("OPENLINES_API_KEYS"), "{report}");
    assert_eq!(report.matches("OPENLINES_API_KEY").count(), 1, "{report}");
}

#[test]
fn no_setting_has_a_name_that_kubernetes_sets() {
    for variable in Config::settings()
        .iter()
        .filter_map(|s| s.variable.as_ref())
    {
        assert!(!is_service_link(variable, "x"), "{variable}");
    }
}

#[test]
fn variables_that_tenants_take_secrets_from_are_not_misspelt_settings() {
    let tenants = "tenants:\n  - id: acme\n    portal: acme.bitrix24.com\n    webhook:\n      \
                   user_id: 1\n      secret: {environment: OPENLINES_ACME}\n";
    let bench = Bench::open(tenants).variable("OPENLINES_ACME", "abc123");
    let file = bench.load("").unwrap().tenants.file.unwrap();
    assert_eq!(file.tenants.len(), 1);
}

#[test]
fn without_a_key_nothing_starts() {
    let open = [(
        "OPENLINES_AUTH_MODE".to_owned(),
        "dangerous_none".to_owned(),
    )];
    let errors = Config::load(None, &Environment::from_iter(open)).unwrap_err();
    assert_eq!(errors.len(), 1);
    let report = errors.to_string();
    assert!(
        report.contains("store.keyring_file (OPENLINES_STORE_KEYRING_FILE): is missing"),
        "{report}"
    );
    assert!(
        report.contains("openlines keys new-sealing-key"),
        "{report}"
    );
}

#[test]
fn keys_and_the_address_of_the_database_are_secrets_from_one_place_each() {
    let bench = Bench::open(NO_TENANTS);
    let key = Key::generate().unwrap().expose();
    let keys = bench.file("keyring", &format!("{}\n", key.expose_secret()));
    let address = bench.file(
        "address",
        &format!("postgres://user:{CANARY}@database/openlines\n"),
    );
    let twice = format!(
        "store: {{keyring_file: {}, url_file: {}}}\n",
        keys.display(),
        address.display()
    );
    assert_eq!(bench.faulty(&twice), ["store.keyring_file"]);

    let mut bench = bench;
    bench
        .variables
        .retain(|(name, _)| name != "OPENLINES_STORE_KEYRING");
    let config = bench.load(&twice).unwrap();
    assert_eq!(config.store.keyring_file, Some(keys));
    let shown = format!("{config:?}");
    assert!(
        !shown.contains(CANARY) && !shown.contains(key.expose_secret()),
        "{shown}"
    );

    let both =
        format!("{twice}  # and\n").replace("}", &format!(", url: 'postgres://u:{CANARY}@d/o'}}"));
    assert_eq!(bench.faulty(&both), ["store.url_file"]);
    let bad = bench.file("bad", CANARY);
    let bad = bad.display();
    let report = bench.report(&format!(
        "store: {{keyring_file: {bad}, url_file: {bad}}}\n"
    ));
    assert!(
        report.contains("2 errors") && !report.contains(CANARY),
        "{report}"
    );
}

#[test]
fn secrets_are_not_among_the_values_that_are_logged() {
    let bench = Bench::open(NO_TENANTS);
    let config = bench
        .load(&format!("store: {{url: 'postgres://u:{CANARY}@d/o'}}\n"))
        .unwrap();
    let shown: Vec<(&str, &str)> = config
        .effective()
        .iter()
        .filter(|setting| ["store.url", "store.keyring"].contains(&setting.path))
        .map(|setting| (setting.path, setting.value.as_str()))
        .collect();
    assert_eq!(
        shown,
        [("store.url", "(secret)"), ("store.keyring", "(secret)")]
    );
}

#[test]
fn an_authorization_server_is_taken_from_the_allowed_ones() {
    let bench = Bench::open(NO_TENANTS);
    let east = bench
        .load("authorization: {default_server: oauth.bitrix24.tech}\n")
        .unwrap();
    assert_eq!(east.tenants.default_server.host(), "oauth.bitrix24.tech");
    let foreign = "authorization: {default_server: oauth.evil.example}\n";
    assert_eq!(bench.faulty(foreign), ["authorization.default_server"]);
}

#[test]
fn applications_have_names_ids_and_secrets_of_their_own() {
    let bench = Bench::open(NO_TENANTS).variable("CHAT", "s");
    let good =
        "applications:\n- {name: chat, client_id: app.1.2, client_secret: {environment: CHAT}}\n";
    let config = bench.load(good).unwrap();
    assert!(config.tenants.applications.by_name("chat").is_some());
    let twice =
        format!("{good}- {{name: chat, client_id: app.1.2, client_secret: {{inline: s}}}}\n");
    assert_eq!(
        bench.faulty(&twice),
        ["applications[1].name", "applications[1].client_id"]
    );
    assert_eq!(bench.faulty("applications: [{name: Chat}]\n").len(), 3);
}

#[test]
fn installations_need_an_application() {
    let bench = Bench::open(NO_TENANTS);
    assert_eq!(
        bench.faulty("installation: {listen: '127.0.0.1:0'}\n"),
        ["installation.listen"]
    );
}

#[test]
fn a_settings_file_that_cannot_be_read_is_the_only_fault() {
    let path = PathBuf::from("/does/not/exist.yaml");
    let errors = Config::load(Some(&path), &Environment::default()).unwrap_err();
    assert_eq!(errors.len(), 1);
}

#[test]
fn a_settings_file_must_be_a_mapping_of_sections() {
    let bench = Bench::open(NO_TENANTS);
    assert_eq!(bench.faulty("- a\n").len(), 1);
    assert_eq!(bench.faulty("server: 5\n"), ["server"]);
    assert!(bench.load("server:\nlog:\n").is_ok());
    assert_eq!(bench.faulty("server:\n  listen:\n"), ["server.listen"]);
}

#[test]
fn certificate_and_key_are_given_together() {
    let bench = Bench::open(NO_TENANTS);
    let certificate = bench.file("certificate.pem", "");
    let certificate = certificate.to_str().unwrap();
    let one = format!("server: {{tls: {{certificate_file: {certificate}}}}}\n");
    assert_eq!(bench.faulty(&one), ["server.tls.private_key_file"]);
    let other = format!("server: {{tls: {{private_key_file: {certificate}}}}}\n");
    assert_eq!(bench.faulty(&other), ["server.tls.certificate_file"]);
    let both = format!(
        "server: {{tls: {{certificate_file: {certificate}, private_key_file: {certificate}}}}}\n"
    );
    assert!(bench.load(&both).unwrap().server.private_key_file.is_some());
}

#[test]
fn no_report_quotes_a_value_wherever_it_was_pasted() {
    for setting in Config::settings() {
        let inline = setting
            .path
            .split('.')
            .rev()
            .fold(CANARY.to_owned(), |inner, name| {
                format!("{{{name}: {inner}}}")
            });
        if let Err(errors) = Bench::open(NO_TENANTS).load(&inline) {
            assert!(!errors.to_string().contains(CANARY), "{errors}");
        }
        if let Some(variable) = &setting.variable {
            let bench = Bench::open(NO_TENANTS).variable(variable, CANARY);
            if let Err(errors) = bench.load("") {
                assert!(!errors.to_string().contains(CANARY), "{errors}");
            }
        }
    }
}
