//! The trace of a call: W3C Trace Context in the call's metadata.

use http::HeaderMap;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{TraceContextExt, TraceId};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The header that carries the caller's trace.
const TRACEPARENT: &str = "traceparent";

/// Makes `span` a child of the caller's span, if the caller sends one.
pub(crate) fn adopt_parent(span: &Span, headers: &HeaderMap) {
    if headers.contains_key(TRACEPARENT) {
        let parent = TraceContextPropagator::new().extract(&Headers(headers));
        // An error means that there are no traces.
        let _ = span.set_parent(parent);
    }
}

/// The trace id of a call: that of its span, or the caller's if the service makes no traces.
pub(crate) fn trace_id(span: &Span, headers: &HeaderMap) -> Option<String> {
    let own = span.context().span().span_context().trace_id();
    if own != TraceId::INVALID {
        return Some(own.to_string());
    }
    headers.get(TRACEPARENT)?;
    let parent = TraceContextPropagator::new().extract(&Headers(headers));
    let given = parent.span().span_context().trace_id();
    (given != TraceId::INVALID).then(|| given.to_string())
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}
