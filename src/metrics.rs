//! What is counted and measured. docs/metrics.md lists it, and a test keeps the two equal.
//!
//! No tenant is a label: there may be 100,000. Names and attributes follow OpenTelemetry's conventions for RPC and HTTP where they have
//! one.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram, Meter, MeterProvider, UpDownCounter};
use opentelemetry_prometheus::ResourceSelector;
use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Registry, TextEncoder};

/// Bounds of whole calls, in seconds: a portal answers in tens of milliseconds to a minute.
const CALL_SECONDS: [f64; 13] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
];

/// Bounds of our own share, in seconds: it is tens of microseconds.
const OWN_SECONDS: [f64; 10] = [
    0.000_02, 0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.005, 0.025, 0.1, 1.0,
];

/// A metric, for docs/metrics.md.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// The name at `/metrics`.
    pub name: &'static str,
    /// What it is to Prometheus.
    pub kind: &'static str,
    /// The labels at `/metrics`, in alphabetical order.
    pub labels: &'static [&'static str],
    /// What it says.
    pub meaning: &'static str,
}

/// Every metric of this service.
pub const METRICS: &[Metric] = &[
    Metric {
        name: "rpc_server_call_duration_seconds",
        kind: "histogram",
        labels: &["rpc_method", "rpc_response_status_code"],
        meaning: "How long calls took, from their arrival to their answer.",
    },
    Metric {
        name: "openlines_calls_total",
        kind: "counter",
        labels: &[
            "outcome",
            "reason",
            "rpc_method",
            "rpc_response_status_code",
        ],
        meaning: "Calls by how they ended. `reason` and `outcome` are empty for calls that succeeded.",
    },
    Metric {
        name: "openlines_own_duration_seconds",
        kind: "histogram",
        labels: &["rpc_method"],
        meaning: "Our own share of calls that went to a portal: the whole less the portal's time.",
    },
    Metric {
        name: "openlines_calls_in_hand",
        kind: "gauge",
        labels: &[],
        meaning: "Calls that are being worked on. At `server.maximum_concurrent_calls` new ones are refused.",
    },
    Metric {
        name: "http_client_request_duration_seconds",
        kind: "histogram",
        labels: &["bitrix24_method", "error_type", "http_response_status_code"],
        meaning: "How long requests to portals took. `http_response_status_code` is empty without an answer.",
    },
    Metric {
        name: "openlines_undocumented_codes_total",
        kind: "counter",
        labels: &["bitrix24_method"],
        meaning: "Refusals of Bitrix24 with a code that is not documented. The log has the code.",
    },
    Metric {
        name: "openlines_installations_total",
        kind: "counter",
        labels: &["event", "result"],
        meaning: "Events of portals that have installed or removed an application, by what became of them. \
                  docs/installation.md lists the results.",
    },
];

/// The instruments. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    _provider: Arc<SdkMeterProvider>,
    call_duration: Histogram<f64>,
    calls: Counter<u64>,
    own_duration: Histogram<f64>,
    calls_in_hand: UpDownCounter<i64>,
    request_duration: Histogram<f64>,
    undocumented_codes: Counter<u64>,
    installations: Counter<u64>,
}

/// How a call ended.
#[derive(Clone, Copy, Debug)]
pub struct EndedCall<'a> {
    /// The full name of the operation, `package.Service/Method`.
    pub method: &'a str,
    /// The status in UPPER_SNAKE_CASE.
    pub code: &'static str,
    /// The reason, if it failed.
    pub reason: Option<&'static str>,
    /// What is known of its fate, if it failed.
    pub outcome: Option<&'static str>,
    /// How long it took.
    pub duration: Duration,
    /// How long of that it waited for the portal, if it was sent.
    pub portal_duration: Option<Duration>,
}

impl Metrics {
    /// Makes the instruments, all at zero.
    ///
    /// # Errors
    ///
    /// The exporter cannot be set up.
    pub fn new() -> Result<Self, OTelSdkError> {
        let registry = Registry::new();
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .scope_info_enabled(false)
            .without_target_info()
            .with_resource_selector(ResourceSelector::None)
            .build()?;
        let provider = SdkMeterProvider::builder().with_reader(exporter).build();
        let meter = provider.meter("bitrix24-openlines");
        let installations = meter.u64_counter("openlines.installations").build();
        // Shown from the start, so that the first installation is an increase.
        let first = [
            KeyValue::new("event", "install"),
            KeyValue::new("result", "created"),
        ];
        installations.add(0, &first);
        Ok(Self {
            call_duration: seconds(&meter, "rpc.server.call.duration", &CALL_SECONDS),
            calls: meter.u64_counter("openlines.calls").build(),
            own_duration: seconds(&meter, "openlines.own.duration", &OWN_SECONDS),
            calls_in_hand: meter.i64_up_down_counter("openlines.calls.in_hand").build(),
            request_duration: seconds(&meter, "http.client.request.duration", &CALL_SECONDS),
            undocumented_codes: meter.u64_counter("openlines.undocumented_codes").build(),
            installations,
            registry,
            _provider: Arc::new(provider),
        })
    }

    /// Counts a call that has begun.
    pub fn call_begun(&self) {
        self.calls_in_hand.add(1, &[]);
    }

    /// Counts a call that has ended.
    pub fn call_ended(&self, call: EndedCall<'_>) {
        self.calls_in_hand.add(-1, &[]);
        let method = KeyValue::new("rpc.method", call.method.to_owned());
        let code = KeyValue::new("rpc.response.status_code", call.code);
        self.call_duration
            .record(call.duration.as_secs_f64(), &[method.clone(), code.clone()]);
        if let Some(portal) = call.portal_duration {
            let own = call.duration.saturating_sub(portal);
            self.own_duration
                .record(own.as_secs_f64(), std::slice::from_ref(&method));
        }
        let reason = KeyValue::new("reason", call.reason.unwrap_or_default());
        let outcome = KeyValue::new("outcome", call.outcome.unwrap_or_default());
        self.calls.add(1, &[method, code, reason, outcome]);
    }

    /// Counts a request to a portal that has ended.
    pub fn portal_request_ended(
        &self,
        method: &'static str,
        http_status: Option<u16>,
        error_type: &'static str,
        duration: Duration,
    ) {
        let status = http_status
            .map(|status| status.to_string())
            .unwrap_or_default();
        let attributes = [
            KeyValue::new("bitrix24.method", method),
            KeyValue::new("http.response.status_code", status),
            KeyValue::new("error.type", error_type),
        ];
        self.request_duration
            .record(duration.as_secs_f64(), &attributes);
    }

    /// Counts a refusal with a code that is not documented.
    pub fn undocumented_code(&self, method: &'static str) {
        self.undocumented_codes
            .add(1, &[KeyValue::new("bitrix24.method", method)]);
    }

    /// Counts an installation event that has its outcome.
    pub fn installation(&self, event: &'static str, result: &'static str) {
        let attributes = [
            KeyValue::new("event", event),
            KeyValue::new("result", result),
        ];
        self.installations.add(1, &attributes);
    }

    /// All of it in Prometheus' text format.
    ///
    /// # Errors
    ///
    /// The registry cannot be written, which is a fault of the program.
    pub fn text(&self) -> Result<String, prometheus::Error> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

fn seconds(meter: &Meter, name: &'static str, bounds: &[f64]) -> Histogram<f64> {
    meter
        .f64_histogram(name)
        .with_unit("s")
        .with_boundaries(bounds.to_vec())
        .build()
}
