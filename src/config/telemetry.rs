//! `telemetry.*` and `admin.*`: traces and metrics.

use std::net::SocketAddr;

use super::reader::Reader;
use super::setting::{Form, Setting};

/// Traces and metrics.
#[derive(Clone, Debug)]
pub struct Telemetry {
    /// The OTLP collector that traces go to over gRPC. Default none: no traces.
    pub otlp_endpoint: Option<String>,
    /// The share of calls without a sampling decision of their caller that are traced, in percent. Default 10; 0–100.
    pub sample_percent: u8,
    /// Where metrics and the state of the process are served over HTTP. Default none.
    pub admin_listen: Option<SocketAddr>,
}

pub(super) const SETTINGS: &[&Setting] = &[&OTLP_ENDPOINT, &SAMPLE_PERCENT, &ADMIN_LISTEN];

static OTLP_ENDPOINT: Setting = Setting {
    path: "telemetry.otlp_endpoint",
    form: Form::HttpAddress,
    default: None,
    meaning: "The OpenTelemetry collector that traces go to, OTLP over gRPC. Without it no traces are made.",
};
static SAMPLE_PERCENT: Setting = Setting {
    path: "telemetry.sample_percent",
    form: Form::Whole {
        minimum: 0,
        maximum: 100,
        unit: "percent",
    },
    default: Some("10"),
    meaning: "The share of calls that are traced, of those whose caller has not decided it in `traceparent`.",
};
static ADMIN_LISTEN: Setting = Setting {
    path: "admin.listen",
    form: Form::SocketAddress,
    default: None,
    meaning: "Where `/metrics`, `/live` and `/ready` are served over HTTP, apart from callers. Without it they are not.",
};

impl Telemetry {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let otlp_endpoint = reader.http_address(&OTLP_ENDPOINT);
        let sample_percent = reader.whole(&SAMPLE_PERCENT);
        let admin_listen = reader.optional_socket_address(&ADMIN_LISTEN);
        Some(Self {
            otlp_endpoint: otlp_endpoint?,
            sample_percent: sample_percent?,
            admin_listen: admin_listen?,
        })
    }
}
