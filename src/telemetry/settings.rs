//! `log.*` and `telemetry.*`.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use tracing_subscriber::EnvFilter;

use super::given::{Attribute, Authorities, Protocol};
use super::headers::Headers;
use crate::settings::form::{
    flag, http_address, list, seconds, secret, secret_file, text, text_file, whole, words,
};
use crate::settings::{Reader, table};

/// The format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// Lines for people.
    Text,
}

table! {
    /// The log.
    pub struct LogSettings {
        /// `json` writes one object per line, `text` writes lines for people.
        format: LogFormat =
            "log.format" => words(&[("json", LogFormat::Json), ("text", LogFormat::Text)]),
            default "json";

        /// The events that are written: a level, or levels by module, separated by commas.
        filter: String =
            "log.filter" => text("a filter, like `info` or `warn,bitrix24_openlines=debug`", filter),
            default "info";

        /// Whether each change to a tenant is a log line with the target `openlines::audit`,
        /// whatever `log.filter` says.
        audit: bool = "log.audit" => flag(), default "true";

        /// Whether each call that is sent has two lines more, with the target
        /// `openlines::audit::sends`, whatever `log.filter` says: `opened` before it can leave, and
        /// `closed` with its outcome. They hold ids and counts, never a text. Off by default: every
        /// call has a line at its end anyway, and two more cost each call some microseconds.
        audit_sends: bool = "log.audit_sends" => flag(), default "false";

        /// The size of the log lines that wait until somebody reads them. Lines beyond it are lost
        /// and counted; its last quarter is for warnings, errors and audit lines. No call waits
        /// for the log.
        buffer_bytes: usize =
            "log.buffer_bytes" => whole(65_536..=1_073_741_824, "bytes"), default "4194304";
    }
}

table! {
    /// What an OpenTelemetry collector gets.
    pub struct CollectorSettings {
        /// The OpenTelemetry collector for traces, and for metrics if `telemetry.otlp_metrics` is
        /// on: `http://` or `https://`, host and port. Without it there are no traces.
        otlp_endpoint: Option<String> = "telemetry.otlp_endpoint" => http_address();

        /// How the collector is spoken to. `grpc`: usually port 4317. `http`: protobuf over HTTP,
        /// usually port 4318; `/v1/traces` and `/v1/metrics` are added to the address.
        otlp_protocol: Protocol = "telemetry.otlp_protocol" =>
            words(&[("grpc", Protocol::Grpc), ("http", Protocol::Http)]), default "grpc";

        /// Certificates of the authorities that the collector's certificate is checked with (PEM),
        /// in place of those of the system. Read at start.
        otlp_ca_file: Option<(PathBuf, Authorities)> =
            "telemetry.otlp_ca_file" => text_file(Authorities::from_pem);

        /// Headers of each transmission, for a collector that asks for a key. Values are
        /// percent-encoded (`,` is %2C, `%` is %25). They are not logged. Without this and
        /// `telemetry.otlp_headers_file` the variable `OTEL_EXPORTER_OTLP_HEADERS` counts, which
        /// has the same form.
        otlp_headers: Option<Headers> = "telemetry.otlp_headers" => secret(HEADERS, Headers::parse);

        /// A file with the same, in place of `telemetry.otlp_headers`; there an end of a line
        /// separates, too. Read at start.
        otlp_headers_file: Option<(PathBuf, Headers)> =
            "telemetry.otlp_headers_file" => secret_file(Headers::parse);

        /// Whether headers may be sent to a collector without TLS on another machine: a mesh
        /// encrypts, or they hold no secret. Otherwise they need `https://` or a loopback address.
        dangerous_plaintext_headers: bool =
            "telemetry.dangerous_plaintext_headers" => flag(), default "false";

        /// Whether the metrics are sent to the collector, too: the same as at `/metrics`, under the
        /// same names. They cost a call nothing.
        otlp_metrics: bool = "telemetry.otlp_metrics" => flag(), default "false";

        /// Time between two transmissions of the metrics.
        otlp_metrics_interval: Duration =
            "telemetry.otlp_metrics_interval_seconds" => seconds(1..=3600), default "60";

        /// `service.name` of traces and metrics. Without it the variable `OTEL_SERVICE_NAME`
        /// counts, and then `bitrix24-openlines`.
        service_name: Option<String> =
            "telemetry.service_name" => text("a text that is not empty", not_empty);

        /// Attributes of the resource that traces and metrics come from, beside those in the
        /// variable `OTEL_RESOURCE_ATTRIBUTES`, which give way to these. Without
        /// `service.instance.id` each start makes one up.
        resource_attributes: Vec<Attribute> = "telemetry.resource_attributes" =>
            list("names and values like `k8s.namespace.name=messages`", Attribute::parse),
            default "";

        /// The share of calls that are traced, among those without a sampling decision in
        /// `traceparent`.
        sample_percent: u8 =
            "telemetry.sample_percent" => whole(0..=100, "percent"), default "10";
    }
    rules {
        headers_stand_once(otlp_headers, otlp_headers_file);
        headers_need_a_collector(otlp_endpoint, otlp_headers, otlp_headers_file);
    }
}

/// What is allowed as headers, to follow "give".
pub(super) const HEADERS: &str = "headers like `api-key=KEY`, separated by commas";

impl CollectorSettings {
    /// The headers of the settings, and the setting that has them.
    pub(super) fn headers(&self) -> Option<(&'static str, &Headers)> {
        let given = self.otlp_headers.as_ref();
        let from_file = self.otlp_headers_file.as_ref().map(|(_, headers)| headers);
        given
            .map(|headers| ("telemetry.otlp_headers", headers))
            .or_else(|| from_file.map(|headers| ("telemetry.otlp_headers_file", headers)))
    }

    /// Whether everybody on the way to the collector could read headers, and nobody has said so.
    pub(super) fn exposes_headers(&self) -> bool {
        let uri = self.otlp_endpoint.as_ref();
        let uri = uri.and_then(|endpoint| endpoint.parse::<http::Uri>().ok());
        let is_exposed = uri.is_some_and(|uri| {
            uri.scheme_str() != Some("https") && !uri.host().is_some_and(is_this_machine)
        });
        is_exposed && !self.dangerous_plaintext_headers
    }
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || (address.parse::<IpAddr>()).is_ok_and(|address| address.is_loopback())
}

fn headers_stand_once(
    reader: &mut Reader<'_>,
    headers: &Option<Headers>,
    file: &Option<(PathBuf, Headers)>,
) {
    if headers.is_some() && file.is_some() {
        let problem = "is given together with telemetry.otlp_headers";
        reader.refuse(
            "telemetry.otlp_headers_file",
            problem,
            "give one of the two",
        );
    }
}

fn headers_need_a_collector(
    reader: &mut Reader<'_>,
    endpoint: &Option<String>,
    headers: &Option<Headers>,
    file: &Option<(PathBuf, Headers)>,
) {
    let setting = match (headers, file) {
        (Some(_), _) => "telemetry.otlp_headers",
        (None, Some(_)) => "telemetry.otlp_headers_file",
        (None, None) => return,
    };
    if endpoint.is_none() {
        reader.refuse(
            setting,
            "is given without a collector",
            "give telemetry.otlp_endpoint too, or remove it",
        );
    }
}

fn not_empty(text: &str) -> Result<String, &'static str> {
    if text.trim().is_empty() {
        return Err("is empty");
    }
    Ok(text.to_owned())
}

/// A filter that is known to parse.
fn filter(text: &str) -> Result<String, &'static str> {
    match text.parse::<EnvFilter>() {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("is not a filter of log events"),
    }
}

/// The settings of a collector by their environment variables, without the prefix `OPENLINES_`.
#[cfg(test)]
pub(super) fn collector(settings: &[(&str, &str)]) -> CollectorSettings {
    use crate::settings::{Document, Environment};
    let settings = settings.iter();
    let environment: Environment = settings
        .map(|(name, value)| (format!("OPENLINES_{name}"), (*value).to_owned()))
        .collect();
    let document = Document::without_file(serde_json::Value::Null);
    CollectorSettings::read(&mut Reader::new(&document, &environment)).unwrap()
}
