//! The metrics of connections to the gRPC server.

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Meter};

use super::Metrics;

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionEnd {
    /// The peer closed it, or it broke.
    Closed,
    /// All places were taken by connections with an accepted credential.
    Refused,
    /// The TLS handshake failed, or the connection did not begin as HTTP/2 does, or not in time.
    Handshake,
    /// It showed no credential in time, or made too many calls without one.
    Unauthenticated,
    /// It gave its place to a newer one.
    Evicted,
    /// It reached its age.
    Age,
    /// It was still open when the longest call could have ended after that.
    Lifetime,
    /// Its peer did not read the responses.
    Unread,
    /// Its peer cancelled too many calls.
    ResetFlood,
    /// The service stopped.
    Stop,
}

impl ConnectionEnd {
    const ALL: [Self; 10] = [
        Self::Closed,
        Self::Refused,
        Self::Handshake,
        Self::Unauthenticated,
        Self::Evicted,
        Self::Age,
        Self::Lifetime,
        Self::Unread,
        Self::ResetFlood,
        Self::Stop,
    ];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Refused => "refused",
            Self::Handshake => "handshake",
            Self::Unauthenticated => "unauthenticated",
            Self::Evicted => "evicted",
            Self::Age => "age",
            Self::Lifetime => "lifetime",
            Self::Unread => "unread",
            Self::ResetFlood => "reset_flood",
            Self::Stop => "stop",
        }
    }
}

/// The connections that are open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenConnections {
    /// With an accepted credential.
    pub authenticated: usize,
    pub unauthenticated: usize,
    /// The size of the responses that their peers have not read, in bytes.
    pub unread_bytes: usize,
}

/// The instruments of connections.
#[derive(Clone, Debug)]
pub(super) struct ConnectionInstruments {
    open: Gauge<u64>,
    ended: Counter<u64>,
    unread_bytes: Gauge<u64>,
    certificate_expiry: Gauge<f64>,
}

impl ConnectionInstruments {
    pub(super) fn new(meter: &Meter) -> Self {
        Self {
            open: meter.u64_gauge("openlines.open_connections").build(),
            ended: meter.u64_counter("openlines.connections.ended").build(),
            unread_bytes: meter.u64_gauge("openlines.unread_bytes").build(),
            certificate_expiry: meter
                .f64_gauge("openlines.tls.certificate_expiry.timestamp")
                .with_unit("s")
                .build(),
        }
    }

    pub(super) fn begin_at_zero(&self) {
        for end in ConnectionEnd::ALL {
            self.ended.add(0, &[KeyValue::new("end", end.as_str())]);
        }
        self.open(OpenConnections::default());
    }

    fn open(&self, open: OpenConnections) {
        let count = |count| u64::try_from(count).unwrap_or(u64::MAX);
        let state = |state| [KeyValue::new("state", state)];
        self.open
            .record(count(open.authenticated), &state("authenticated"));
        self.open
            .record(count(open.unauthenticated), &state("unauthenticated"));
        self.unread_bytes.record(count(open.unread_bytes), &[]);
    }
}

impl Metrics {
    /// Records the connections that are open.
    pub fn connections_open(&self, open: OpenConnections) {
        self.0.connections.open(open);
    }

    /// Counts a connection that has ended.
    pub fn connection_ended(&self, end: ConnectionEnd) {
        self.0
            .connections
            .ended
            .add(1, &[KeyValue::new("end", end.as_str())]);
    }

    /// Records when a certificate expires, in seconds since 1970.
    pub fn certificate_expires(&self, certificate: &'static str, at: i64) {
        let at = jiff::Timestamp::from_second(at).unwrap_or(jiff::Timestamp::MAX);
        self.0.connections.certificate_expiry.record(
            at.as_duration().as_secs_f64(),
            &[KeyValue::new("certificate", certificate)],
        );
    }
}
