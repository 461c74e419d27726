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
            self.strangers.add(0, &[KeyValue::new("reason", reason)]);
        }
    }

    /// Counts a call that was refused because of its headers, before it began.
    pub fn call_refused(&self, method: &str, code: &'static str, reason: &'static str) {
        let attributes = [
            KeyValue::new("rpc.method", method.to_owned()),
            KeyValue::new("rpc.response.status_code", code),
            KeyValue::new("reason", reason),
            KeyValue::new("outcome", "not_executed"),
        ];
        self.calls.add(1, &attributes);
    }

    /// Counts a request of a peer that has shown no valid credential.
    pub fn stranger_refused(&self, reason: &'static str) {
        self.strangers.add(1, &[KeyValue::new("reason", reason)]);
    }
}
