//! Names that no setting has.

use super::super::Config;
use super::{Bench, NO_TENANTS};
use crate::settings::is_service_link;

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
