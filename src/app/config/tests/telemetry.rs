//! `telemetry.*`.

use super::*;

/// `telemetry` with a collector.
fn with(settings: &str) -> String {
    format!("telemetry: {{otlp_endpoint: 'https://collector:4317', {settings}}}\n")
}

#[test]
fn headers_of_the_collector_are_a_secret_from_one_place() {
    let bench = Bench::open(NO_TENANTS);
    let file = bench.file("headers", &format!("api-key={CANARY}\n"));
    let file = format!("otlp_headers_file: {}", file.display());
    let inline = format!("otlp_headers: 'api-key={CANARY}'");
    let bench = bench.variable("OTEL_EXPORTER_OTLP_HEADERS", &format!("api-key={CANARY}"));
    for given in [&file, &inline, "sample_percent: 1"] {
        let config = bench.load(&with(given)).unwrap();
        let shown = format!("{config:?}");
        assert!(!shown.contains(CANARY), "{shown}");
    }
    let config = bench.load(&with(&inline)).unwrap();
    let shown = config.effective().iter();
    let shown = shown.filter(|setting| setting.path == "telemetry.otlp_headers");
    let shown: Vec<&str> = shown.map(|setting| &*setting.value).collect();
    assert_eq!(shown, ["(secret)"]);

    let both = with(&format!("{file}, {inline}"));
    assert_eq!(bench.faulty(&both), ["telemetry.otlp_headers_file"]);
    let nobody = format!("telemetry: {{{file}}}\n");
    assert_eq!(bench.faulty(&nobody), ["telemetry.otlp_headers_file"]);
    let bad = bench.file("bad", CANARY);
    let report = bench.report(&with(&format!("otlp_headers_file: {}", bad.display())));
    assert!(
        report.contains("names a file whose content has no `=` in entry 1"),
        "{report}"
    );
    assert!(!report.contains(CANARY), "{report}");
}

#[test]
fn a_bad_header_in_opentelemetrys_variable_is_an_error_of_the_start() {
    let bench = Bench::open(NO_TENANTS);
    let bench = bench.variable("OTEL_EXPORTER_OTLP_HEADERS", CANARY);
    let report = bench.report(&with("sample_percent: 1"));
    assert!(report.contains("OTEL_EXPORTER_OTLP_HEADERS: "), "{report}");
    assert!(!report.contains(CANARY), "{report}");
    // Whoever names no collector, or headers of the settings, does not read it.
    bench.load("").unwrap();
    bench.load(&with("otlp_headers: 'api-key=1'")).unwrap();
}
