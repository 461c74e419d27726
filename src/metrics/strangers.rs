//! The metrics of requests that are refused because of their headers.

use opentelemetry::KeyValue;

use super::Metrics;

/// Why a request is refused because of its headers.
const STRANGERS: [&str; 18] = [
    "missing",
    "malformed",
    "unknown",
    "key_expired",
    "duplicate_header",
    "token_not_accepted",
    "signing_key_unknown",
    "key_set_unavailable",
    "token_expired",
    "token_not_yet_valid",
    "wrong_audience",
    "claim_missing",
    "subject_unknown",
    "certificate_unknown",
    "certificate_expired",
    "http_method",
    "content_type",
    "health_evicted",
];

impl Metrics {
    pub(super) fn begin_strangers_at_zero(&self) {
        for reason in STRANGERS {
            self.strangers(reason, 0);
        }
    }

    fn strangers(&self, reason: &'static str, requests: u64) {
        let attributes = || [KeyValue::new("reason", reason)];
        let bind = || self.0.strangers.bind(&attributes());
        (self.0.strangers_by_reason).measure(reason, bind, |bound| bound.add(requests));
    }

    /// Counts a request of a peer that has shown no valid credential.
    pub fn stranger_refused(&self, reason: &'static str) {
        self.strangers(reason, 1);
    }
}
