//! The metrics of the service as a whole: what was built, whether it is ready, its stop.

use bitrix24::Connections;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Meter, MeterProvider};

use super::Metrics;
use crate::version::{REVISION, RUST_VERSION, VERSION};

#[derive(Debug)]
pub(super) struct ServiceInstruments {
    ready: Gauge<u64>,
    drain_started: Gauge<f64>,
    terminated: Counter<u64>,
    connector_messages: Counter<u64>,
}

/// How Bitrix24 judged the messages of a call, one by one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct MessageResults {
    /// Accepted.
    pub delivered: usize,
    pub refused: usize,
    /// Their results are missing, or belong to other messages.
    pub unknown: usize,
}

impl ServiceInstruments {
    pub(super) fn new(meter: &Meter) -> Self {
        let build = [
            KeyValue::new("version", VERSION),
            KeyValue::new("revision", REVISION),
            KeyValue::new("rust_version", RUST_VERSION),
        ];
        let built = meter.u64_gauge("openlines.build_info").build();
        built.record(1, &build);
        Self {
            ready: meter.u64_gauge("openlines.ready").build(),
            drain_started: meter
                .f64_gauge("openlines.drain_started.timestamp")
                .with_unit("s")
                .build(),
            terminated: meter.u64_counter("openlines.terminated_calls").build(),
            connector_messages: meter.u64_counter("openlines.connector_messages").build(),
        }
    }

    pub(super) fn begin_at_zero(&self) {
        self.ready.record(0, &[]);
        self.terminated.add(0, &[]);
        self.messages(MessageResults::default());
    }

    fn messages(&self, results: MessageResults) {
        let MessageResults {
            delivered,
            refused,
            unknown,
        } = results;
        for (result, messages) in [
            ("delivered", delivered),
            ("refused", refused),
            ("unknown", unknown),
        ] {
            let messages = u64::try_from(messages).unwrap_or(u64::MAX);
            let result = KeyValue::new("result", result);
            self.connector_messages.add(messages, &[result]);
        }
    }
}

impl Metrics {
    /// Records whether `/ready` says so.
    pub(crate) fn ready(&self, is_ready: bool) {
        self.0.service.ready.record(u64::from(is_ready), &[]);
    }

    /// Records that calls in progress have the drain time to end, from now on.
    pub(crate) fn drain_started(&self) {
        let now = jiff::Timestamp::now().as_duration().as_secs_f64();
        self.0.service.drain_started.record(now, &[]);
    }

    /// Counts a call that was still in progress when the service could wait no longer.
    pub(crate) fn call_terminated(&self) {
        self.0.service.terminated.add(1, &[]);
    }

    /// Counts the messages of a call that Bitrix24 judged one by one.
    pub(crate) fn messages_judged(&self, results: MessageResults) {
        self.0.service.messages(results);
    }

    /// Shows how many connections to portals there are, whenever the metrics are read.
    pub(crate) fn watch_connections(
        &self,
        connections: impl Fn() -> Connections + Send + Sync + 'static,
    ) {
        let meter = self.0.provider.meter(super::METER);
        meter
            .u64_observable_gauge("openlines.portal_connections")
            .with_callback(move |gauge| {
                let Connections { in_use, idle } = connections();
                for (state, count) in [("in_use", in_use), ("idle", idle)] {
                    let count = u64::try_from(count).unwrap_or(u64::MAX);
                    gauge.observe(count, &[KeyValue::new("state", state)]);
                }
            })
            .build();
    }
}
