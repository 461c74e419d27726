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

    /// Counts what becomes of an issuer's set of keys, from 0 on.
    pub fn key_set_followed(&self, issuer: &str) {
        for end in ["loaded", "failed"] {
            self.key_sets(issuer, end, 0);
        }
    }

    fn key_sets(&self, issuer: &str, end: &'static str, loads: u64) {
        let issuer = KeyValue::new("issuer", issuer.to_owned());
        let attributes = [KeyValue::new("end", end), issuer];
        self.0.callers.set_loads.add(loads, &attributes);
    }

    /// Counts a set of keys that was loaded.
    pub fn key_set_loaded(&self, issuer: &str) {
        self.key_sets(issuer, "loaded", 1);
        let issuer = KeyValue::new("issuer", issuer.to_owned());
        let now = jiff::Timestamp::now().as_duration().as_secs_f64();
        self.0.callers.set_loaded.record(now, &[issuer]);
    }

    /// Counts a set of keys that could not be loaded.
    pub fn key_set_failed(&self, issuer: &str) {
        self.key_sets(issuer, "failed", 1);
    }
}
