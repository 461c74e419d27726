//! `portals.*` about connections.

use super::*;

const AUTHORITY: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

#[test]
fn a_pin_belongs_to_a_self_hosted_portal() {
    let bench = Bench::open(NO_TENANTS);
    let pin = format!("crm.acme.example={}", "ab".repeat(32));
    let with = |portals: &str| {
        format!("portals: {{self_hosted: [{portals}], pinned_certificates: ['{pin}']}}\n")
    };
    for portals in ["crm.acme.example", "'crm.acme.example:8443'"] {
        let config = bench.load(&with(portals)).unwrap();
        assert_eq!(config.transport.pinned_certificates.len(), 1);
    }
    assert_eq!(bench.faulty(&with("")), ["portals.pinned_certificates"]);
    let wrong = "portals: {pinned_certificates: [crm.acme.example]}\n";
    assert_eq!(bench.faulty(wrong), ["portals.pinned_certificates"]);
}

#[test]
fn authorities_are_certificates_in_pem() {
    let bench = Bench::open(NO_TENANTS);
    for (content, problem) in [
        ("", "has no certificate in PEM"),
        (AUTHORITY, "has a certificate that cannot be used"),
    ] {
        let file = bench.file("ca.pem", content);
        let report = bench.report(&format!("portals: {{ca_file: {}}}\n", file.display()));
        assert!(report.contains("portals.ca_file"), "{report}");
        assert!(report.contains(problem), "{report}");
    }
}

#[test]
fn a_proxy_has_its_credentials_in_a_file() {
    let bench = Bench::open(NO_TENANTS);
    let file = bench.file("credentials", &format!("openlines:{CANARY}\n"));
    let file = file.display();
    let config = bench
        .load(&format!(
            "portals: {{proxy: 'http://squid:3128', proxy_credentials_file: {file}, \
             proxy_exceptions: [crm.acme.example]}}\n"
        ))
        .unwrap();
    assert!(config.transport.proxy().is_some());
    let shown = format!("{:?} {:?}", config.effective(), config.transport);
    assert!(!shown.contains(CANARY), "{shown}");
    for (settings, place) in [
        (
            format!("portals: {{proxy: 'http://u:{CANARY}@squid:3128'}}\n"),
            "portals.proxy",
        ),
        (
            format!("portals: {{proxy_credentials_file: {file}}}\n"),
            "portals.proxy_credentials_file",
        ),
        (
            "portals: {proxy_exceptions: [crm.acme.example]}\n".to_owned(),
            "portals.proxy_exceptions",
        ),
    ] {
        assert_eq!(bench.faulty(&settings), [place]);
        assert!(!bench.report(&settings).contains(CANARY));
    }
    let wrong = bench.file("wrong", CANARY);
    let settings = format!(
        "portals: {{proxy: 'http://squid:3128', proxy_credentials_file: {}}}\n",
        wrong.display()
    );
    assert_eq!(bench.faulty(&settings), ["portals.proxy_credentials_file"]);
    assert!(!bench.report(&settings).contains(CANARY));
}

#[test]
fn prefixes_of_nat64_are_read() {
    let bench = Bench::open(NO_TENANTS);
    let config = bench
        .load("portals: {nat64_prefixes: ['2a00:64::/96', '64:ff9b:1::/48']}\n")
        .unwrap();
    assert_eq!(config.transport.nat64_prefixes.len(), 2);
    let wrong = "portals: {nat64_prefixes: ['::/96']}\n";
    assert_eq!(bench.faulty(wrong), ["portals.nat64_prefixes"]);
}
