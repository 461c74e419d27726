//! The metrics of events of portals that have installed or removed an application.

use opentelemetry::KeyValue;

use super::Metrics;

/// The events and results that are counted from the start: whatever may be lost, for the alert.
/// One that is of no interest is known as such only after it has got a place.
const FROM_THE_START: [(&str, &str); 6] = [
    ("install", "created"),
    ("install", "busy"),
    ("install", "gave_up"),
    ("uninstall", "busy"),
    ("uninstall", "gave_up"),
    ("other", "busy"),
];

impl Metrics {
    pub(super) fn begin_installations_at_zero(&self) {
        for (event, result) in FROM_THE_START {
            self.installations(event, result, 0);
        }
    }

    /// Counts an installation event that has its outcome.
    pub fn installation(&self, event: &'static str, result: &'static str) {
        self.installations(event, result, 1);
    }

    fn installations(&self, event: &'static str, result: &'static str, events: u64) {
        let attributes = [
            KeyValue::new("event", event),
            KeyValue::new("result", result),
        ];
        self.0.installations.add(events, &attributes);
    }
}
