//! `store.*`.

use ::store::sealing::Key;
use secrecy::ExposeSecret;

use super::super::Config;
use super::{Bench, CANARY, NO_TENANTS};
use crate::settings::Environment;

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
