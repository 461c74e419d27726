//! Faults of settings, with a secret in every place where one could be pasted by mistake.

use bitrix24_openlines::testing::auth::NewKey;

use crate::support::caller;
use crate::support::process::{Files, openlines};

const CANARY: &str = "canary0secret0in0a0wrong0place";

/// What `serve` says of these files.
fn complaint(settings: &str, tenants: &str, variables: &[(&str, &str)]) -> String {
    let files = Files::write(settings, tenants);
    let path = files.settings();
    let mut command = openlines(&["serve", "--config", path.to_str().unwrap()]);
    command
        .env("OPENLINES_LOG_FILTER", "trace")
        .envs(variables.iter().copied());
    let output = command.output().unwrap();
    assert_eq!(
        output.status.code(),
        Some(64),
        "{settings} {tenants}: {output:?}"
    );
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).unwrap();
    assert!(said.contains("the configuration has"), "{said}");
    said
}

#[test]
fn an_error_of_the_tenants_file_quotes_no_value() {
    let key = NewKey::generate().unwrap();
    for tenants in [
        format!(
            "tenants: [{{id: a, portal: 'https://a.bitrix24.com/rest/1/{CANARY}/', webhook: {{user_id: 1, secret: {{inline: a}}}}}}]"
        ),
        format!(
            "tenants: [{{id: '{CANARY}!', portal: a.bitrix24.com, webhook: {{user_id: 1, secret: {{inline: a}}}}}}]"
        ),
        format!(
            "tenants: [{{id: a, portal: a.bitrix24.com, webhook: {{user_id: '{CANARY}', secret: {{inline: a}}}}}}]"
        ),
        format!(
            "tenants: [{{id: a, portal: a.bitrix24.com, webhook: {{user_id: 1, secret: '{CANARY}'}}}}]"
        ),
        format!(
            "tenants: [{{id: a, portal: a.bitrix24.com, webhook: {{user_id: 1, secret: {{inline: '{CANARY}/'}}}}}}]"
        ),
        format!(
            "tenants: [{{id: a, portal: a.bitrix24.com, webhook: {{user_id: 1, secret: {{file: '{CANARY}'}}}}}}]"
        ),
        format!(
            "tenants: [{{id: a, portal: a.bitrix24.com, webhook: {{user_id: 1, secret: {{environment: '{CANARY}'}}}}}}]"
        ),
        format!(
            "tenants: [{{id: a, portal: a.bitrix24.com, application: {{access_token: {{inline: '{CANARY}\u{7f}'}}}}}}]"
        ),
        format!("tenants: '{CANARY}'"),
        CANARY.to_owned(),
        format!("tenants: [{{{CANARY}"),
    ] {
        let said = complaint(&caller(&key), &tenants, &[]);
        assert!(!said.contains(CANARY), "{tenants}: {said}");
    }
}

/// Who forgets the word `secret` makes the secret itself a key: `{user_id: 1, <secret>}`.
/// Bitrix24's webhook secrets have 16 letters and digits.
#[test]
fn a_webhook_secret_in_the_place_of_a_key_is_not_quoted() {
    let key = NewKey::generate().unwrap();
    let secret = "xk3b1hkvi0hn3b44";
    let tenants =
        format!("tenants: [{{id: a, portal: a.bitrix24.com, webhook: {{user_id: 1, {secret}}}}}]");
    let said = complaint(&caller(&key), &tenants, &[]);
    assert!(said.contains("tenants[0].webhook"), "{said}");
    assert!(!said.contains(secret), "{said}");
}

#[test]
fn an_error_of_the_settings_quotes_no_value() {
    let key = NewKey::generate().unwrap();
    let clear = key.expose();
    for settings in [
        format!("auth: {{callers: [{{name: a, tenants: ['*'], keys: ['{clear}']}}]}}\n"),
        format!("auth: {{callers: [{{name: '{clear}', tenants: ['*'], keys: []}}]}}\n"),
        format!("auth: {{callers: [{{name: a, tenants: ['{clear}'], keys: []}}]}}\n"),
        format!("auth: {{mode: '{clear}'}}\n"),
        format!("auth: {{{clear}: 1}}\n"),
        format!("{clear}: 1\n"),
        format!("server: {{listen: '{clear}'}}\n"),
        format!("log: {{filter: '={clear}='}}\n"),
    ] {
        let said = complaint(&settings, "tenants: []\n", &[]);
        let secret = super::secret_of(&key);
        assert!(!said.contains(secret), "{settings}: {said}");
    }
}

#[test]
fn an_error_of_a_variable_quotes_no_value() {
    let key = NewKey::generate().unwrap();
    for name in [
        "OPENLINES_SERVER_LISTEN",
        "OPENLINES_AUTH_MODE",
        "OPENLINES_LOG_FORMAT",
        "OPENLINES_PORTALS_ALLOWED_SUFFIXES",
        "OPENLINES_NO_SUCH_SETTING",
        "OPENLINES_SERVER_DRAIN_SECONDS",
    ] {
        let said = complaint(&caller(&key), "tenants: []\n", &[(name, CANARY)]);
        assert!(said.contains(name), "{said}");
        assert!(!said.contains(CANARY), "{name}: {said}");
    }
}
