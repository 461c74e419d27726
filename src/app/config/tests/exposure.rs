//! What would be weak without a word.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;

fn set(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// A folder that everybody may enter.
fn open_bench(tenants: &str) -> Bench {
    let bench = Bench::open(tenants);
    set(bench.folder.path(), 0o755);
    bench
}

const INLINE: &str =
    "tenants: [{id: a, portal: a.bitrix24.com, webhook: {user_id: 1, secret: {inline: abc123}}}]\n";
const ALLOWED: &str = "files: {dangerous_world_readable: true}\n";

#[test]
fn a_keyring_or_a_private_key_that_everybody_may_read_is_refused() {
    let key = Key::generate().unwrap().expose();
    let mut bench = open_bench(NO_TENANTS);
    bench
        .variables
        .retain(|(name, _)| name != "OPENLINES_STORE_KEYRING");
    let keyring = bench.file("keyring", key.expose_secret());
    let certificate = bench.file("certificate.pem", "");
    let private_key = bench.file("key.pem", "");
    let url = bench.file("url", "sqlite:openlines.db\n");
    let headers = bench.file("headers", "api-key=x\n");
    let settings = format!(
        "store: {{keyring_file: {}, url_file: {}}}\n\
         server: {{tls: {{certificate_file: {}, private_key_file: {}}}}}\n\
         telemetry: {{otlp_endpoint: 'https://collector', otlp_headers_file: {}}}\n",
        keyring.display(),
        url.display(),
        certificate.display(),
        private_key.display(),
        headers.display()
    );
    for mode in [0o644, 0o666] {
        for secret in [&keyring, &private_key, &url, &headers] {
            set(secret, mode);
        }
        assert_eq!(
            bench.faulty(&settings),
            [
                "store.keyring_file",
                "store.url_file",
                "server.tls.private_key_file",
                "telemetry.otlp_headers_file"
            ]
        );
        bench.load(&format!("{ALLOWED}{settings}")).unwrap();
    }
    let report = bench.report(&settings);
    assert!(report.contains("chmod o="), "{report}");
    assert!(
        report.contains("files.dangerous_world_readable"),
        "{report}"
    );
    // As Kubernetes mounts them with `defaultMode: 0440` and an fsGroup.
    for mode in [0o440, 0o600] {
        for secret in [&keyring, &private_key, &url, &headers] {
            set(secret, mode);
        }
        bench.load(&settings).unwrap();
    }
}

#[test]
fn a_file_with_secrets_of_tenants_that_everybody_may_read_is_refused() {
    let bench = open_bench(INLINE);
    let tenants = bench.folder.path().join("tenants.yaml");
    let report = bench.report("");
    assert!(report.contains("tenants file"), "{report}");
    assert!(report.contains("holds secrets"), "{report}");
    bench.load(ALLOWED).unwrap();
    set(&tenants, 0o640);
    bench.load("").unwrap();

    let secret = bench.file("secret", "abc123");
    let named = INLINE.replace("inline: abc123", &format!("file: '{}'", secret.display()));
    let bench = open_bench(&named);
    set(secret.parent().unwrap(), 0o755);
    assert_eq!(bench.faulty(""), ["tenants[0].webhook.secret.file"]);
    bench.load(ALLOWED).unwrap();
    set(&secret, 0o400);
    bench.load("").unwrap();
}

#[test]
fn a_file_without_secrets_may_be_readable_but_not_changeable_by_everybody() {
    let bench = open_bench(NO_TENANTS);
    let tenants = bench.folder.path().join("tenants.yaml");
    bench.load("").unwrap();
    set(&tenants, 0o666);
    let report = bench.report("");
    assert!(
        report.contains("every user of this machine may change it"),
        "{report}"
    );
}

#[test]
fn files_of_issuers_are_looked_at_too() {
    let bench = Bench::new(NO_TENANTS);
    set(bench.folder.path(), 0o755);
    let entry = crate::auth::NewKey::generate().unwrap().entry();
    let keys = bench.file("set.json", super::callers::SET);
    let (ca, token) = (bench.file("ca.pem", "x"), bench.file("token", "secret"));
    let settings = format!(
        "auth:\n  callers: [{{name: a, tenants: [x], keys: ['{entry}']}}]\n  issuers:\n\
         \x20 - {{issuer: 'https://a', audience: x, keys_file: {}}}\n\
         \x20 - {{issuer: 'https://b', audience: x, keys_url: 'https://b/keys', ca_file: {}, bearer_token_file: {}}}\n",
        keys.display(),
        ca.display(),
        token.display()
    );
    let secret = "auth.issuers[1].bearer_token_file";
    for (mode, expected) in [
        (0o640, &[][..]),
        (0o644, &[secret]),
        (
            0o666,
            &[
                "auth.issuers[0].keys_file",
                "auth.issuers[1].ca_file",
                secret,
            ],
        ),
    ] {
        for file in [&keys, &ca, &token] {
            set(file, mode);
        }
        if expected.is_empty() {
            bench.load(&settings).unwrap();
        } else {
            assert_eq!(bench.faulty(&settings), expected, "{mode:o}");
        }
        bench.load(&format!("{ALLOWED}{settings}")).unwrap();
    }
}

#[test]
fn a_file_of_callers_that_everybody_may_change_is_refused() {
    let bench = Bench::new(NO_TENANTS);
    set(bench.folder.path(), 0o755);
    let entry = crate::auth::NewKey::generate().unwrap().entry();
    let callers = format!("callers: [{{name: a, tenants: [x], keys: ['{entry}']}}]\n");
    let callers = bench.file("callers.yaml", &callers);
    let settings = format!("auth: {{callers_file: {}}}\n", callers.display());
    bench.load(&settings).unwrap();
    set(&callers, 0o646);
    assert_eq!(bench.faulty(&settings), ["auth.callers_file"]);
    bench.load(&format!("{ALLOWED}{settings}")).unwrap();
}

#[test]
fn settings_with_a_secret_that_everybody_may_read_are_refused() {
    let bench = open_bench(NO_TENANTS);
    for settings in [
        "applications: [{name: a, client_id: app.1.2, client_secret: {inline: abc123}}]\n",
        "store: {url: 'postgres://openlines:abc123@database/openlines'}\n",
    ] {
        let report = bench.report(settings);
        assert!(report.contains("settings file"), "{report}");
        assert!(report.contains("holds secrets"), "{report}");
        assert!(!report.contains("abc123"), "{report}");
    }
}

#[test]
fn plain_text_beyond_loopback_needs_a_word() {
    let entry = crate::auth::NewKey::generate().unwrap().entry();
    let callers = format!("auth: {{callers: [{{name: a, tenants: [x], keys: ['{entry}']}}]}}\n");
    let bench = Bench::new(NO_TENANTS);
    for listen in ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "[::ffff:127.0.0.1]:1"] {
        let settings = format!("{callers}server: {{listen: '{listen}'");
        let refused = format!("{settings}}}\n");
        assert_eq!(bench.faulty(&refused), ["server.listen"], "{listen}");
        let report = bench.report(&refused);
        assert!(
            report.contains("server.tls.dangerous_plaintext"),
            "{report}"
        );
        let said = format!("{settings}, tls: {{dangerous_plaintext: true}}}}\n");
        bench.load(&said).unwrap();
        let pem = bench.file("certificate.pem", "");
        let pem = pem.display();
        let encrypted = format!(
            "{settings}, tls: {{certificate_file: '{pem}', private_key_file: '{pem}'}}}}\n"
        );
        bench.load(&encrypted).unwrap();
    }
    for listen in ["127.0.0.1:1", "[::1]:1"] {
        let settings = format!("{callers}server: {{listen: '{listen}'}}\n");
        bench.load(&settings).unwrap();
    }
}
