//! `log.*` and `telemetry.*`.

use tracing_subscriber::EnvFilter;

use crate::settings::form::{flag, http_address, text, whole, words};
use crate::settings::table;

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
    /// Traces.
    pub struct TraceSettings {
        /// The OpenTelemetry collector for traces, over OTLP/gRPC. Without it there are no traces.
        otlp_endpoint: Option<String> = "telemetry.otlp_endpoint" => http_address();

        /// The share of calls that are traced, among those without a sampling decision in
        /// `traceparent`.
        sample_percent: u8 =
            "telemetry.sample_percent" => whole(0..=100, "percent"), default "10";
    }
}

/// A filter that is known to parse.
fn filter(text: &str) -> Result<String, &'static str> {
    match text.parse::<EnvFilter>() {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("is not a filter of log events"),
    }
}
