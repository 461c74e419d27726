//! Settings that have to fit together.

use std::time::Duration;

use super::{Bench, NO_TENANTS};

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
fn the_largest_request_fits_into_the_bytes_in_progress() {
    let bench = Bench::open(NO_TENANTS);
    let settings = |bytes: u64| format!("server: {{maximum_bytes_in_progress: {bytes}}}\n");
    assert_eq!(
        bench.faulty(&settings(1024 * 1024 - 1)),
        ["server.maximum_bytes_in_progress"]
    );
    assert!(bench.load(&settings(1024 * 1024)).is_ok());
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
    assert!(
        bench
            .load(&both)
            .unwrap()
            .edge
            .tls
            .private_key_file
            .is_some()
    );
}
