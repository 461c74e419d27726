//! What remains of a call when it has ended: its log line, its metrics, the end of its span.

use std::time::Duration;

use tokio::time::Instant;
use tracing::Span;

use crate::api::openlines::tenants::v1::tenant_service_server::SERVICE_NAME as TENANTS;
use crate::api::openlines::v1::open_lines_service_server::SERVICE_NAME as OPEN_LINES;
use crate::call::CallContext;
use crate::metrics::{EndedCall, Metrics};

/// The longest operation that is logged, in characters: anybody may call any path.
const OPERATION: usize = 100;

/// A wait that is not worth a word in the log line.
const UNNOTICED: Duration = Duration::from_millis(1);

/// Statuses that are failures of the server (OpenTelemetry's conventions for gRPC spans).
const SERVER_FAILURES: [&str; 6] = [
    "UNKNOWN",
    "DEADLINE_EXCEEDED",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
];

/// The name of an operation, `package.Service/Method`, out of the path of a call. One that is not served becomes `_OTHER`
/// in metrics and spans, so that callers cannot make up new ones.
pub(super) fn operation(path: &str) -> &str {
    let operation = path.trim_start_matches('/');
    let served = operation
        .split_once('/')
        .is_some_and(|(service, method)| SERVED.contains(&(service, method)));
    if served { operation } else { "_OTHER" }
}

const SERVED: [(&str, &str); 11] = [
    (OPEN_LINES, "SendConnectorMessages"),
    (OPEN_LINES, "SendCrmMessage"),
    (OPEN_LINES, "SendNetworkMessage"),
    (TENANTS, "CreateTenant"),
    (TENANTS, "GetTenant"),
    (TENANTS, "ListTenants"),
    (TENANTS, "UpdateTenant"),
    (TENANTS, "DisableTenant"),
    (TENANTS, "EnableTenant"),
    (TENANTS, "DeleteTenant"),
    (TENANTS, "VerifyTenant"),
];

/// The end of a running call, to be told. A call that is dropped before it is answered, because its caller has gone, has ended as
/// CANCELLED.
pub(super) struct Ending {
    path: String,
    context: CallContext,
    metrics: Metrics,
    span: Span,
    trace_id: Option<String>,
    begun: Instant,
    told: bool,
}

impl Ending {
    pub(super) fn new(
        path: &str,
        context: &CallContext,
        metrics: &Metrics,
        span: Span,
        trace_id: Option<String>,
        begun: Instant,
    ) -> Self {
        metrics.call_begun();
        Self {
            path: path.to_owned(),
            context: context.clone(),
            metrics: metrics.clone(),
            span,
            trace_id,
            begun,
            told: false,
        }
    }

    pub(super) fn tell(mut self, code: &'static str) {
        self.emit(code);
    }

    fn emit(&mut self, code: &'static str) {
        self.told = true;
        let notes = self.context.notes();
        let outcome = notes.outcome_of(code);
        let duration = self.begun.elapsed();
        self.metrics.call_ended(EndedCall {
            method: operation(&self.path),
            code,
            reason: notes.reason,
            outcome,
            duration,
            waited: notes.waited,
            portal_duration: notes.portal_duration,
        });
        self.span.record("rpc.response.status_code", code);
        if SERVER_FAILURES.contains(&code) {
            self.span.record("otel.status_code", "ERROR");
            self.span.record("error.type", code);
        }
        let shown: String = self
            .path
            .trim_start_matches('/')
            .chars()
            .take(OPERATION)
            .collect();
        tracing::info!(
            target: "openlines::call",
            call_id = self.context.call_id(),
            trace_id = self.trace_id,
            operation = shown,
            code,
            reason = notes.reason,
            outcome,
            caller = notes.caller,
            tenant = notes.tenant,
            bitrix24_code = notes.bitrix24_code,
            replayed = notes.is_replayed.then_some(true),
            duration_ms = milliseconds(duration),
            wait_ms = (notes.waited > UNNOTICED).then(|| milliseconds(notes.waited)),
            portal_ms = notes.portal_duration.map(milliseconds),
            "call"
        );
    }
}

/// Milliseconds to three places: a log needs no more.
fn milliseconds(duration: Duration) -> f64 {
    f64::from(u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)) / 1000.0
}

impl Drop for Ending {
    fn drop(&mut self) {
        if !self.told {
            self.emit("CANCELLED");
        }
    }
}
