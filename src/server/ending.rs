//! The end of a call: its log line, its metrics, the end of its span.

use std::time::Duration;

use tokio::time::Instant;
use tracing::Span;

use crate::auth::Caller;
use crate::call::CallContext;
use crate::metrics::{EndedCall, Metrics};
use bitrix24::TenantId;

/// The longest operation that is logged, in characters: a client may call any path.
const OPERATION: usize = 100;

/// The shortest wait that is logged.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

/// Statuses that are failures of the server (OpenTelemetry's conventions for gRPC spans).
const SERVER_FAILURES: [&str; 6] = [
    "UNKNOWN",
    "DEADLINE_EXCEEDED",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
];

/// The services' methods, each with the full name of its service.
pub(super) type Methods = &'static [(&'static str, &'static str)];

/// The name of an operation, `package.Service/Method`, from the path of a call. An unknown one is
/// `_OTHER` in metrics and spans, so callers cannot make up new label values.
pub(super) fn operation(path: &str, methods: Methods) -> &str {
    let operation = path.trim_start_matches('/');
    let is_known = operation
        .split_once('/')
        .is_some_and(|named| methods.contains(&named));
    if is_known { operation } else { "_OTHER" }
}

/// The end of a running call, to be recorded. Dropped before the call is answered, because its
/// caller has disconnected, it records CANCELLED.
pub(super) struct Ending {
    path: String,
    methods: Methods,
    context: CallContext,
    metrics: Metrics,
    span: Span,
    trace_id: Option<String>,
    begun: Instant,
    is_recorded: bool,
}

impl Ending {
    pub(super) fn new(
        path: &str,
        methods: Methods,
        context: &CallContext,
        metrics: &Metrics,
        span: Span,
        trace_id: Option<String>,
        begun: Instant,
    ) -> Self {
        metrics.call_begun();
        Self {
            path: path.to_owned(),
            methods,
            context: context.clone(),
            metrics: metrics.clone(),
            span,
            trace_id,
            begun,
            is_recorded: false,
        }
    }

    pub(super) fn end(mut self, code: &'static str) {
        self.record(code);
    }

    fn record(&mut self, code: &'static str) {
        self.is_recorded = true;
        let notes = self.context.take_notes();
        let outcome = notes.outcome_of(code);
        let duration = self.begun.elapsed();
        self.metrics.call_ended(EndedCall {
            method: operation(&self.path, self.methods),
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
            caller = notes.caller.as_ref().map(Caller::name),
            tenant = notes.tenant.as_ref().map(TenantId::as_str),
            bitrix24_code = notes.bitrix24_code,
            replayed = notes.is_replayed.then_some(true),
            duration_ms = milliseconds(duration),
            wait_ms = (notes.waited > SHORTEST_WAIT).then(|| milliseconds(notes.waited)),
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
        if !self.is_recorded {
            self.record("CANCELLED");
        }
    }
}
