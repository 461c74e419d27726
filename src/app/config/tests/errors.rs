//! Invalid values: which errors are reported, and how.

use std::path::PathBuf;

use super::super::Config;
use super::{Bench, CANARY, NO_TENANTS};
use crate::settings::Environment;

#[test]
fn all_errors_of_file_environment_and_tenants_are_reported_at_once() {
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
        "server.maximum_concurrent_calls",
        "server.drain_seconds",
        "server.shutdown_delay_seconds",
        "server.default_deadline_seconds",
        "server.tls.certificate_file",
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
fn an_error_names_setting_variable_source_problem_and_remedy() {
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
fn a_settings_file_that_cannot_be_read_is_the_only_error() {
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
