//! The metrics of whole calls.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{
    BoundCounter, BoundHistogram, BoundUpDownCounter, Counter, Histogram, Meter,
};

use super::bound::Bound;
use super::{CALL_SECONDS, Metrics, OWN_SECONDS, seconds};

/// The name of every operation that is not known, so that callers cannot make up label values.
pub(crate) const OTHER: &str = "_OTHER";

/// The instruments of calls.
#[derive(Debug)]
pub(super) struct CallInstruments {
    duration: Histogram<f64>,
    calls: Counter<u64>,
    own_duration: Histogram<f64>,
    in_progress: BoundUpDownCounter<i64>,
}

/// An operation, with what is bound to its name.
#[derive(Debug)]
pub(crate) struct Operation {
    name: Box<str>,
    own_duration: Bound<(), BoundHistogram<f64>>,
    ended: Bound<End, (BoundHistogram<f64>, BoundCounter<u64>)>,
    refused: Bound<End, BoundCounter<u64>>,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct End {
    /// The status in UPPER_SNAKE_CASE.
    pub(crate) code: &'static str,
    /// The reason, if it failed.
    pub(crate) reason: Option<&'static str>,
    /// What is known of its outcome, if it failed.
    pub(crate) outcome: Option<&'static str>,
}

/// Where the time of an ended call went.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Durations {
    pub(crate) whole: Duration,
    /// How long of that it waited for the portal, if it was sent.
    pub(crate) portal: Option<Duration>,
    /// How long it waited for its turn.
    pub(crate) waited: Duration,
}

impl Operation {
    /// Of this name, `package.Service/Method`.
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            own_duration: Bound::default(),
            ended: Bound::default(),
            refused: Bound::default(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    fn attribute(&self) -> KeyValue {
        KeyValue::new("rpc.method", Arc::<str>::from(self.name()))
    }
}

impl End {
    fn code(self) -> KeyValue {
        KeyValue::new("rpc.response.status_code", self.code)
    }
}

impl CallInstruments {
    pub(super) fn new(meter: &Meter) -> Self {
        let in_progress = meter.i64_up_down_counter("openlines.calls.in_progress");
        Self {
            duration: seconds(meter, "rpc.server.call.duration", &CALL_SECONDS),
            calls: meter.u64_counter("openlines.calls").build(),
            own_duration: seconds(meter, "openlines.own.duration", &OWN_SECONDS),
            in_progress: in_progress.build().bind(&[]),
        }
    }

    fn counter(&self, operation: &Operation, end: End, source: &'static str) -> BoundCounter<u64> {
        self.calls.bind(&[
            operation.attribute(),
            end.code(),
            KeyValue::new("reason", end.reason.unwrap_or_default()),
            KeyValue::new("outcome", end.outcome.unwrap_or_default()),
            KeyValue::new("error_source", source),
        ])
    }
}

impl Metrics {
    /// Shows calls of an operation that end so from the start, though there are none yet.
    pub(crate) fn call_may_end(&self, operation: &Operation, end: End, source: &'static str) {
        self.0.calls.counter(operation, end, source).add(0);
    }

    /// Counts a call that has begun.
    pub(crate) fn call_begun(&self) {
        self.0.calls.in_progress.add(1);
    }

    /// Counts a call that has ended. `source` says whose failure it was.
    pub(crate) fn call_ended(
        &self,
        operation: &Operation,
        end: End,
        source: impl FnOnce() -> &'static str,
        durations: Durations,
    ) {
        let calls = &self.0.calls;
        calls.in_progress.add(-1);
        let bind = || {
            let attributes = [operation.attribute(), end.code()];
            (
                calls.duration.bind(&attributes),
                calls.counter(operation, end, source()),
            )
        };
        operation.ended.measure(end, bind, |(duration, counter)| {
            duration.record(durations.whole.as_secs_f64());
            counter.add(1);
        });
        if let Some(portal) = durations.portal {
            let own = durations.whole.saturating_sub(portal + durations.waited);
            let bind = || calls.own_duration.bind(&[operation.attribute()]);
            (operation.own_duration).measure((), bind, |bound| bound.record(own.as_secs_f64()));
        }
    }

    /// Counts a call that was refused because of its headers, before it began.
    pub(crate) fn call_refused(
        &self,
        operation: &Operation,
        code: &'static str,
        reason: &'static str,
        source: impl FnOnce() -> &'static str,
    ) {
        let end = End {
            code,
            reason: Some(reason),
            outcome: Some("not_executed"),
        };
        let bind = || self.0.calls.counter(operation, end, source());
        operation.refused.measure(end, bind, |bound| bound.add(1));
    }
}
