//! The trace of a call: W3C Trace Context in the call's metadata.
//!
//! Whether a call is traced is decided before anything is built for it: of most calls there is no
//! span at all, and what they call builds none either (docs/adr/0047).

use http::HeaderMap;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{Link, SpanContext, SpanKind, TraceContextExt, TraceId};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SamplingResult, ShouldSample};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::CollectorSettings;

/// The header that carries the caller's trace.
const TRACEPARENT: &str = "traceparent";

/// Which calls are traced: those of callers who trace theirs, and this share of those whose callers
/// do not say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sampling {
    /// 0 to 100. `None`: nobody wants traces.
    pub(crate) percent: Option<u8>,
}

/// The trace of one call.
#[derive(Debug)]
pub(crate) struct CallTrace {
    /// Disabled if the call is not traced.
    pub(crate) span: Span,
    /// The id of its trace, or of the caller's if the call is not traced.
    pub(crate) id: Option<String>,
}

impl Sampling {
    /// As the settings say.
    pub(crate) fn of(settings: &CollectorSettings) -> Self {
        let has_collector = settings.otlp_endpoint.is_some();
        Self {
            percent: has_collector.then_some(settings.sample_percent),
        }
    }

    /// Begins the trace of a call with these headers. `span` makes its span, if it is traced.
    pub(crate) fn begin(self, headers: &HeaderMap, span: impl FnOnce() -> Span) -> CallTrace {
        let parent = headers
            .contains_key(TRACEPARENT)
            .then(|| TraceContextPropagator::new().extract(&Headers(headers)));
        let callers = parent
            .as_ref()
            .map(|parent| parent.span().span_context().clone());
        let callers = callers.filter(SpanContext::is_valid);
        let is_traced = self.percent.is_some_and(|percent| match &callers {
            Some(callers) => callers.is_sampled(),
            None => rand::random_range(0..100) < percent,
        });
        if !is_traced {
            return CallTrace {
                span: Span::none(),
                id: callers.map(|callers| callers.trace_id().to_string()),
            };
        }
        let span = span();
        if let Some(parent) = parent {
            // An error means that there are no traces.
            let _ = span.set_parent(parent);
        }
        let id = span.context().span().span_context().trace_id();
        CallTrace {
            span,
            id: (id != TraceId::INVALID).then(|| id.to_string()),
        }
    }
}

impl Sampling {
    /// Begins the trace of an item of a stream. It is a trace of its own, which is linked to the
    /// stream's span if the stream is traced.
    pub(crate) fn begin_item(
        self,
        stream: Option<&Linked>,
        span: impl FnOnce() -> Span,
    ) -> CallTrace {
        let trace = self.begin(&HeaderMap::new(), span);
        if let Some(stream) = stream {
            trace.span.add_link(stream.0.clone());
        }
        trace
    }
}

/// A span that others are linked to.
#[derive(Clone, Debug)]
pub(crate) struct Linked(SpanContext);

impl Linked {
    /// `None` if it is not traced.
    pub(crate) fn of(span: &Span) -> Option<Self> {
        let context = span.context().span().span_context().clone();
        context.is_valid().then_some(Self(context))
    }
}

/// The sampler of the exporter. A call has a span only if it is traced; of requests without a call,
/// like refreshes of tokens, this share is.
pub(super) fn sampler(percent: u8) -> Sampler {
    let others = Sampler::TraceIdRatioBased(f64::from(percent) / 100.0);
    Sampler::ParentBased(Box::new(Calls { others }))
}

#[derive(Clone, Debug)]
struct Calls {
    others: Sampler,
}

impl ShouldSample for Calls {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let sampler = match kind {
            SpanKind::Server => &Sampler::AlwaysOn,
            SpanKind::Client | SpanKind::Producer | SpanKind::Consumer | SpanKind::Internal => {
                &self.others
            }
        };
        sampler.should_sample(parent, trace, name, kind, attributes, links)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0af7651916cd43dd8448eb211c80319c";

    /// Whether a call with this header is traced, and the id in its log line.
    fn begun(percent: Option<u8>, parent: &str) -> (bool, Option<String>) {
        let mut headers = HeaderMap::new();
        headers.insert(TRACEPARENT, parent.parse().unwrap());
        let mut is_traced = false;
        let trace = Sampling { percent }.begin(&headers, || {
            is_traced = true;
            Span::none()
        });
        (is_traced, trace.id)
    }

    #[test]
    fn the_callers_decision_counts_and_its_trace_is_told() {
        let parent = |flags| format!("00-{ID}-b7ad6b7169203331-{flags}");
        let told = Some(ID.to_owned());
        assert!(begun(Some(0), &parent("01")).0);
        assert_eq!(begun(Some(100), &parent("00")), (false, told.clone()));
        assert_eq!(begun(None, &parent("01")), (false, told));
    }

    #[test]
    fn a_caller_that_does_not_say_leaves_it_to_the_settings() {
        for unreadable in [
            "",
            "00-xyz-1-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        ] {
            assert_eq!(begun(Some(0), unreadable), (false, None), "{unreadable}");
            assert!(begun(Some(100), unreadable).0, "{unreadable}");
        }
    }

    #[test]
    fn as_many_calls_are_traced_as_the_settings_say() {
        let headers = HeaderMap::new();
        let mut traced = 0;
        for _ in 0..10_000 {
            Sampling { percent: Some(10) }.begin(&headers, || {
                traced += 1;
                Span::none()
            });
        }
        assert!((800..1200).contains(&traced), "{traced}");
    }
}
