//! The end of a call: its log line, its metrics, the end of its span.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::auth::Caller;
use crate::call::CallContext;
use crate::error::{error_source, watched_ends};
use crate::metrics::{Durations, End, FailedCall, Metrics, OTHER, Operation};
use crate::telemetry::CallTrace;
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

/// The operations that there are.
#[derive(Debug)]
pub(super) struct Operations {
    known: Box<[Arc<Operation>]>,
    /// Every other one, so that callers cannot make up label values.
    other: Arc<Operation>,
}

impl Operations {
    /// What alerts count of them begins at 0.
    pub(super) fn new(methods: Methods, metrics: &Metrics) -> Self {
        let known = methods.iter().map(|(service, method)| {
            let operation = Operation::new(&format!("{service}/{method}"));
            for (end, source) in watched_ends(only_reads(method)) {
                metrics.call_may_end(&operation, end, source);
            }
            Arc::new(operation)
        });
        Self {
            known: known.collect(),
            other: Arc::new(Operation::new(OTHER)),
        }
    }

    /// The operation of a call with this path.
    pub(super) fn of(&self, path: &str) -> &Arc<Operation> {
        let name = named(path);
        let mut known = self.known.iter();
        known
            .find(|known| known.name() == name)
            .unwrap_or(&self.other)
    }
}

/// Whether a method only reads, as its name says (AIP-131, AIP-132).
fn only_reads(method: &str) -> bool {
    ["Get", "List"].iter().any(|verb| method.starts_with(verb))
}

/// The name of an operation, `package.Service/Method`, in the path of a call.
fn named(path: &str) -> &str {
    path.trim_start_matches('/')
}

/// The end of a running call, to be recorded. Dropped before the call is answered, because its
/// caller has disconnected, it records CANCELLED.
pub(super) struct Ending {
    operation: Arc<Operation>,
    /// What was called, if there is no such operation.
    unknown: Option<String>,
    context: CallContext,
    metrics: Metrics,
    trace: CallTrace,
    begun: Instant,
    /// The id of the stream whose item the call is.
    stream: Option<Arc<str>>,
    is_recorded: bool,
}

impl Ending {
    pub(super) fn new(
        path: &str,
        operation: &Arc<Operation>,
        context: &CallContext,
        metrics: &Metrics,
        trace: CallTrace,
        begun: Instant,
    ) -> Self {
        metrics.call_begun();
        let is_unknown = operation.name() == OTHER;
        Self {
            operation: Arc::clone(operation),
            unknown: is_unknown.then(|| named(path).chars().take(OPERATION).collect()),
            context: context.clone(),
            metrics: metrics.clone(),
            trace,
            begun,
            stream: None,
            is_recorded: false,
        }
    }

    /// The call is an item of the stream with this id.
    pub(super) fn of_stream(mut self, id: &Arc<str>) -> Self {
        self.stream = Some(Arc::clone(id));
        self
    }

    /// The service cannot wait for the call any longer.
    pub(super) fn note_terminated(&self) {
        self.metrics.call_terminated();
    }

    pub(super) fn end(mut self, code: &'static str) {
        self.record(code);
    }

    fn record(&mut self, code: &'static str) {
        self.is_recorded = true;
        let span = &self.trace.span;
        span.record("rpc.response.status_code", code);
        if SERVER_FAILURES.contains(&code) {
            span.record("otel.status_code", "ERROR");
            span.record("error.type", code);
        }
        let notes = self.context.take_notes();
        let duration = self.begun.elapsed();
        let outcome = notes.outcome_of(code);
        let end = End {
            code,
            reason: notes.reason,
            outcome,
        };
        let durations = Durations {
            whole: duration,
            portal: notes.portal_duration,
            waited: notes.waited,
        };
        let source = || error_source(code, notes.reason);
        (self.metrics).call_ended(&self.operation, end, source, durations);
        if code != "OK" {
            self.metrics.call_failed(|| FailedCall {
                at: jiff::Timestamp::now(),
                operation: Arc::clone(&self.operation),
                tenant: notes.tenant.clone(),
                code,
                reason: notes.reason,
            });
        }
        tracing::info!(
            target: "openlines::call",
            call_id = self.context.call_id(),
            stream_id = self.stream.as_deref(),
            trace_id = self.trace.id,
            operation = self.unknown.as_deref().unwrap_or(self.operation.name()),
            code,
            reason = notes.reason,
            outcome,
            caller = notes.caller.as_ref().map(Caller::name),
            tenant = notes.tenant.as_ref().map(TenantId::as_str),
            bitrix24_code = notes.bitrix24_code,
            replayed = notes.is_replayed.then_some(true),
            messages_refused = some_of(notes.messages_refused),
            messages_unknown = some_of(notes.messages_unknown),
            duration_ms = milliseconds(duration),
            wait_ms = (notes.waited > SHORTEST_WAIT).then(|| milliseconds(notes.waited)),
            portal_ms = notes.portal_duration.map(milliseconds),
            "call"
        );
    }
}

/// How many, if any.
fn some_of(messages: usize) -> Option<usize> {
    (messages > 0).then_some(messages)
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
