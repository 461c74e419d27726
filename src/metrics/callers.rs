//! What keeps the callers up to date.

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Meter};

use super::Metrics;

#[derive(Clone, Debug)]
pub(super) struct CallersInstruments {
    file_rejected: Gauge<u64>,
    set_loads: Counter<u64>,
    set_loaded: Gauge<f64>,
}

impl CallersInstruments {
    pub(super) fn new(meter: &Meter) -> Self {
        let file_rejected = meter.u64_gauge("openlines.callers_file.rejected").build();
        file_rejected.record(0, &[]);
        Self {
            file_rejected,
            set_loads: meter.u64_counter("openlines.key_set_loads").build(),
            set_loaded: meter
                .f64_gauge("openlines.key_set.loaded.timestamp")
                .with_unit("s")
                .build(),
        }
    }
}

impl Metrics {
    /// Notes whether the callers file has a content that cannot be applied.
    pub fn callers_file_rejected(&self, is_rejected: bool) {
        self.0.callers.file_rejected.record(is_rejected.into(), &[]);
    }

    /// Counts a set of keys that was loaded.
    pub fn key_set_loaded(&self, issuer: &str) {
        let issuer = KeyValue::new("issuer", issuer.to_owned());
        let now = jiff::Timestamp::now().as_duration().as_secs_f64();
        self.0
            .callers
            .set_loaded
            .record(now, std::slice::from_ref(&issuer));
        let end = KeyValue::new("end", "loaded");
        self.0.callers.set_loads.add(1, &[end, issuer.clone()]);
        // A series that begins with 1 has no rate.
        let end = KeyValue::new("end", "failed");
        self.0.callers.set_loads.add(0, &[end, issuer]);
    }

    /// Counts a set of keys that could not be loaded.
    pub fn key_set_failed(&self, issuer: &str) {
        let issuer = KeyValue::new("issuer", issuer.to_owned());
        let end = KeyValue::new("end", "failed");
        self.0.callers.set_loads.add(1, &[end, issuer]);
    }
}
