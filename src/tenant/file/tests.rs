//! Tenants files, read as at start.

use secrecy::{ExposeSecret, SecretString};

use super::TenantsFile;
use crate::settings::Environment;
use crate::tenant::{Application, ApplicationName, Applications};
use bitrix24::{ClientId, HostName, Policy, Suffix};
use bitrix24::{Plan, RateLimit};
use store::{StoredApplication, StoredCredentials, StoredTenant};

const CANARY: &str = "s3cr3t/canary";

fn read(text: &str) -> TenantsFile {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tenants.yaml");
    std::fs::write(&path, text).unwrap();
    let suffixes = ["bitrix24.com", "bitrix24.de"].map(|text| Suffix::parse(text).unwrap());
    let policy = Policy {
        allowed_suffixes: suffixes.into(),
        authorization_servers: vec![HostName::parse("oauth.bitrix.info").unwrap()],
        ..Policy::default()
    };
    let environment = Environment::from_iter(
        [("ACME", "abc123"), ("EMPTY", ""), ("WRONG", CANARY)]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
    )
    .with_world_readable_files(true);
    let registered = Applications::new(vec![Application {
        name: ApplicationName::parse("chat").unwrap(),
        client_id: ClientId::parse("app.1.2").unwrap(),
        client_secret: "s".into(),
    }]);
    TenantsFile::read(&path, Some(&policy), &registered, &environment)
}

fn tenant<'a>(file: &'a TenantsFile, id: &str) -> &'a StoredTenant {
    let mut tenants = file.tenants.iter();
    tenants.find(|tenant| tenant.id.as_str() == id).unwrap()
}

fn application<'a>(file: &'a TenantsFile, id: &str) -> &'a StoredApplication {
    tenant(file, id).application().unwrap()
}

fn exposed(secret: &Option<SecretString>) -> &str {
    secret.as_ref().unwrap().expose_secret()
}

/// The secret of the webhook of a tenant.
fn webhook<'a>(file: &'a TenantsFile, id: &str) -> (u64, &'a str) {
    match &tenant(file, id).credentials {
        StoredCredentials::Webhook { user_id, secret } => (*user_id, secret.expose_secret()),
        other => panic!("{other:?}"),
    }
}

/// The fingerprint of an application with these lines.
fn fingerprint(lines: &str) -> Option<[u8; 32]> {
    let file = read(&format!(
        "tenants: [{{id: a, portal: a.bitrix24.com, application: {{{lines}}}}}]\n"
    ));
    assert!(file.errors.is_empty(), "{}", file.errors);
    tenant(&file, "a").file_fingerprint
}

/// A tenants file with one webhook whose secret is `source`.
fn with_secret(source: &str) -> TenantsFile {
    read(&format!(
        "tenants: [{{id: a, portal: a.bitrix24.com, webhook: {{user_id: 1, secret: {source}}}}}]\n"
    ))
}

fn report(file: &TenantsFile) -> String {
    assert!(!file.errors.is_empty());
    let report = file.errors.to_string();
    assert!(!report.contains(CANARY), "{report}");
    report
}

#[test]
fn webhooks_and_applications_are_read_with_secrets_from_all_sources() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "t0ken-x.y\r\n").unwrap();
    let file = read(&format!(
        "tenants:\n\
         \x20 - id: acme\n    portal: acme.bitrix24.com\n    webhook:\n      user_id: 17\n\
         \x20     secret: {{environment: ACME}}\n\
         \x20 - id: beta\n    portal: beta.bitrix24.de\n    application:\n\
         \x20     access_token: {{file: {}}}\n\
         \x20 - id: beta2\n    portal: beta.bitrix24.de\n    webhook:\n      user_id: 1\n\
         \x20     secret: {{inline: \"0123\"}}\n",
        token.display()
    ));
    assert!(file.errors.is_empty(), "{}", file.errors);
    assert_eq!(file.tenants.len(), 3);
    assert!(file.variables.contains("ACME"));
    assert_eq!(webhook(&file, "acme"), (17, "abc123"));
    assert_eq!(webhook(&file, "beta2"), (1, "0123"));
    assert_eq!(
        exposed(&application(&file, "beta").access_token),
        "t0ken-x.y"
    );
    assert_eq!(tenant(&file, "beta2").portal, "beta.bitrix24.de");
}

#[test]
fn an_application_that_can_be_refreshed_is_read_whole() {
    let file = read(
        "tenants:\n\
         - id: a\n  display_name: Acme\n  portal: a.bitrix24.com\n  application:\n\
         \x20   client_id: local.1.2\n    client_secret: {inline: cs}\n    refresh_token: {inline: rt}\n\
         \x20   access_token: {inline: at}\n    application_token: {inline: apt}\n    member_id: abc1\n\
         \x20   authorization_server: https://oauth.bitrix.info/rest/\n\
         - {id: b, portal: b.bitrix24.com, application: {client_id: app.1.2, refresh_token: {inline: rt}}}\n",
    );
    assert!(file.errors.is_empty(), "{}", file.errors);
    let whole = application(&file, "a");
    assert_eq!(tenant(&file, "a").display_name, "Acme");
    assert_eq!(
        tenant(&file, "a").member_id.as_ref().unwrap().as_str(),
        "abc1"
    );
    assert_eq!(
        whole.authorization_server.as_deref(),
        Some("oauth.bitrix.info")
    );
    let secrets = [
        &whole.client_secret,
        &whole.refresh_token,
        &whole.access_token,
        &whole.application_token,
    ];
    assert_eq!(secrets.map(exposed), ["cs", "rt", "at", "apt"]);
    assert!(application(&file, "b").access_token.is_none());
}

#[test]
fn an_application_that_could_never_work_is_a_fault_that_says_what_is_missing() {
    for (lines, fault) in [
        ("", "has neither `access_token` nor `refresh_token`"),
        ("refresh_token: {inline: a}", "has no `client_id`"),
        (
            "refresh_token: {inline: a}, client_id: app.9.9",
            "has no `client_secret`",
        ),
        (
            "access_token: {inline: a}, client_id: 'a b'",
            "is not a client id",
        ),
        (
            "access_token: {inline: a}, member_id: 'a b'",
            "is not a member id",
        ),
        (
            "access_token: {inline: a}, authorization_server: oauth.evil.example",
            "authorization_server",
        ),
    ] {
        let file = read(&format!(
            "tenants: [{{id: a, portal: a.bitrix24.com, application: {{{lines}}}}}]\n"
        ));
        let report = report(&file);
        assert!(report.contains(fault), "{lines}: {report}");
    }
}

#[test]
fn every_change_of_an_entry_changes_its_fingerprint_and_nothing_else_does() {
    let lines = "access_token: {inline: a}, client_id: app.1.2";
    assert_eq!(
        fingerprint(lines),
        fingerprint("client_id: app.1.2, access_token: {inline: a}")
    );
    for changed in [
        "access_token: {inline: b}, client_id: app.1.2",
        "refresh_token: {inline: a}, client_id: app.1.2",
        "access_token: {inline: a}, client_id: app.1.2, refresh_token: {inline: a}",
        "access_token: {inline: a}, client_id: app.1.2, client_secret: {inline: a}",
        "access_token: {inline: a}, client_id: app.1.2, application_token: {inline: a}",
        "access_token: {inline: a}, client_id: app.1.2, authorization_server: oauth.bitrix.info",
        "access_token: {inline: a}",
    ] {
        assert_ne!(fingerprint(lines), fingerprint(changed), "{changed}");
    }
}

/// A tenants file with one webhook whose plan is `plan`.
fn with_plan(plan: &str) -> TenantsFile {
    read(&format!(
        "tenants: [{{id: a, portal: a.bitrix24.com, {plan} webhook: {{user_id: 1, secret: {{inline: a}}}}}}]\n"
    ))
}

#[test]
fn a_plan_is_a_name_or_figures_and_changes_the_fingerprint() {
    let own = |burst, per_second| Some(Plan::Own(RateLimit { burst, per_second }));
    let mut fingerprints = std::collections::HashSet::new();
    for (text, expected) in [
        ("", None),
        ("plan: standard,", Some(Plan::Standard)),
        ("plan: enterprise,", Some(Plan::Enterprise)),
        ("plan: unlimited,", Some(Plan::Unlimited)),
        ("plan: {burst: 1, per_second: 0.25},", own(1, 0.25)),
        (
            "plan: {burst: 10000, per_second: 1000},",
            own(10_000, 1_000.0),
        ),
        ("plan: {per_second: 2.0, burst: 50},", own(50, 2.0)),
    ] {
        let file = with_plan(text);
        assert!(file.errors.is_empty(), "{text}: {}", file.errors);
        let tenant = tenant(&file, "a");
        assert_eq!(tenant.plan, expected, "{text}");
        assert!(fingerprints.insert(tenant.file_fingerprint), "{text}");
    }
    let whole = with_plan("plan: {burst: 50, per_second: 2},");
    assert!(fingerprints.contains(&tenant(&whole, "a").file_fingerprint));
}

#[test]
fn a_plan_that_is_none_is_a_fault_that_says_what_to_give() {
    for (plan, errors) in [
        (
            "gold",
            &["tenants[0].plan in", "is not a plan", "enterprise"][..],
        ),
        ("Standard", &["is not a plan"]),
        ("50", &["tenants[0].plan in", "is a whole number"]),
        ("", &["is empty"]),
        ("[50, 2]", &["is a list"]),
        ("{}", &["has no `burst`", "has no `per_second`"]),
        ("{burst: 50}", &["has no `per_second`"]),
        (
            "{burst: 0, per_second: 0}",
            &[
                "tenants[0].plan.burst in",
                "is too small",
                "is not above 0 and at most 1,000",
            ],
        ),
        (
            "{burst: 10001, per_second: 1000.5}",
            &[
                "is not between 1 and 10,000",
                "is not above 0 and at most 1,000",
            ],
        ),
        (
            "{burst: 1.5, per_second: fast}",
            &["is a number that is not whole", "is a text"],
        ),
        (
            "{burst: 50, per_second: 2, rate: 1}",
            &["tenants[0].plan.rate in", "unknown key"],
        ),
    ] {
        let report = report(&with_plan(&format!("plan: {plan},")));
        for fault in errors {
            assert!(report.contains(fault), "{plan}: {report}");
        }
    }
    report(&with_plan(&format!("plan: \"{CANARY}\",")));
}

#[test]
fn an_entry_of_before_plans_keeps_its_fingerprint() {
    let fingerprint = fingerprint("access_token: {inline: a}, client_id: app.1.2").unwrap();
    let hexadecimal = fingerprint.map(|byte| format!("{byte:02x}")).concat();
    assert_eq!(
        hexadecimal,
        "d4853285379a4758788586ccc12677d55d0d1d61117694f9c13b9882eadf1fda"
    );
}

#[test]
fn all_faults_are_found_each_with_its_path() {
    let file = read(
        "tenants:\n\
         \x20 - {id: acme, portal: acme.bitrix24.com, webhook: {user_id: 0, secret: {inline: a}}}\n\
         \x20 - {id: acme, portal: acme.bitrix24.com, webhook: {user_id: 1, secret: {inline: a}}}\n\
         \x20 - {id: 5, portal: evilbitrix24.com, webhook: {}, application: {}}\n\
         \x20 - {id: b, portal: b.bitrix24.com, application: {acces_token: {inline: a}}}\n\
         \x20 - {portl: b.bitrix24.com}\n\
         \x20 - text\n\
         extra: 1\n",
    );
    let places: Vec<&str> = file
        .errors
        .iter()
        .map(|fault| fault.place().split(' ').next().unwrap_or_default())
        .collect();
    let expected = [
        "extra",
        "tenants[0].webhook.user_id",
        "tenants[1].id",
        "tenants[2].id",
        "tenants[2].portal",
        "tenants[2]",
        "tenants[3].application.acces_token",
        "tenants[3].application",
        "tenants[4].portl",
        "tenants[4]",
        "tenants[4]",
        "tenants[4]",
        "tenants[5]",
    ];
    assert_eq!(places, expected);
}

#[test]
fn a_secret_has_exactly_one_source() {
    assert!(report(&with_secret("{}")).contains("none of"));
    let two = report(&with_secret("{inline: a, environment: ACME}"));
    assert!(two.contains("more than one of"), "{two}");
    assert!(report(&with_secret(&format!("\"{CANARY}\""))).contains("is a text"));
    assert!(report(&with_secret("{inlin: a}")).contains("unknown key"));
}

#[test]
fn a_source_that_gives_nothing_is_a_fault_that_names_it() {
    let missing = report(&with_secret("{environment: NOT_SET}"));
    assert!(
        missing.contains("the environment variable NOT_SET, which is not set"),
        "{missing}"
    );
    let missing = report(&with_secret("{file: /does/not/exist}"));
    assert!(
        missing.contains("the file /does/not/exist, which cannot be read"),
        "{missing}"
    );
    for source in ["{environment: EMPTY}", "{inline: \"\"}"] {
        assert!(
            report(&with_secret(source)).contains("an empty secret"),
            "{source}"
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("empty");
    std::fs::write(&path, "\n").unwrap();
    let source = format!("{{file: {}}}", path.display());
    assert!(report(&with_secret(&source)).contains("an empty secret"));
}

#[test]
fn a_webhook_secret_cannot_change_the_path_it_stands_in() {
    for secret in [
        "a/b", "a.b", "..", "a?b", "a%2fb", "a b", "a\\n", "ä", CANARY,
    ] {
        let report = report(&with_secret(&format!("{{inline: \"{secret}\"}}")));
        assert!(
            report.contains("characters that are not allowed in this secret"),
            "{report}"
        );
    }
    report(&with_secret("{environment: WRONG}"));
}

#[test]
fn a_secret_that_yaml_takes_for_a_number_must_be_quoted() {
    let report = report(&with_secret("{inline: 0123}"));
    assert!(report.contains("put it in quotes"), "{report}");
}

#[test]
fn a_secret_pasted_in_the_wrong_place_is_not_quoted() {
    for text in [
        format!(
            "tenants: [{{id: \"{CANARY}\", portal: \"https://a.bitrix24.com/rest/1/{CANARY}\"}}]"
        ),
        format!("tenants: {CANARY}"),
        format!("{CANARY}: 1"),
        format!("tenants: [{{{CANARY}: 1}}]"),
        format!("tenants: [{{webhook: {{user_id: \"{CANARY}\"}}}}]"),
        format!("- {CANARY}"),
        CANARY.to_owned(),
    ] {
        report(&read(&text));
    }
    for source in ["environment", "file"] {
        let file = with_secret(&format!("{{{source}: \"s3cr3tcanary\"}}"));
        assert!(!report(&file).contains("s3cr3tcanary"));
    }
}

#[test]
fn an_empty_file_has_no_list_of_tenants() {
    report(&read(""));
    assert!(read("tenants: []").errors.is_empty());
}
