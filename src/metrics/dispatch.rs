//! The metrics of queues, budgets and the ledger.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{
    BoundCounter, BoundHistogram, BoundUpDownCounter, Counter, Gauge, Histogram, Meter,
    UpDownCounter,
};

use super::bound::Bound;
use super::{Metrics, seconds};
use pacing::{Priority, Rejection};

/// Bounds of the wait in a queue, in seconds: from a few milliseconds of linger to a deadline.
const WAIT_SECONDS: [f64; 12] = [
    0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
];

/// Bounds of a bucket's fill.
const FILL: [f64; 7] = [0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 1.0];

/// Bounds of the size of a batch.
const COMMANDS: [f64; 7] = [1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 50.0];

/// Bounds of the operating time that is left, in seconds: the usual limit is 480.
const REMAINING_SECONDS: [f64; 8] = [0.0, 10.0, 30.0, 60.0, 120.0, 240.0, 360.0, 480.0];

/// The reasons of a [`Rejection`], and that of the guard.
const REJECTIONS: [&str; 8] = [
    "queue_full",
    "caller_share_exceeded",
    "wait_exceeds_deadline",
    "operating_limit",
    "portal_not_answering",
    "conversation_held",
    "deadline_before_send",
    WEEKLY_LIMIT,
];

/// The reason of a network message that the guard of the weekly limit refuses.
const WEEKLY_LIMIT: &str = "recipient_weekly_limit";

fn reason(rejection: Rejection) -> &'static str {
    match rejection {
        Rejection::QueueFull { .. } => "queue_full",
        Rejection::ShareExceeded { .. } => "caller_share_exceeded",
        Rejection::WaitTooLong { .. } => "wait_exceeds_deadline",
        Rejection::OperatingLimit { .. } => "operating_limit",
        Rejection::BreakerOpen { .. } => "portal_not_answering",
        Rejection::ConversationHeld { .. } => "conversation_held",
        Rejection::DeadlinePassed => "deadline_before_send",
    }
}

/// Why a call that was definitely not executed is retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryCause {
    /// The portal could not be reached.
    Unreachable,
    /// A server in front of the portal did not process the request.
    Unprocessed,
    /// The portal's rate limit was exceeded.
    RateLimited,
    /// The access token had expired.
    NewToken,
    /// The portal has another address.
    Moved,
    /// The batch was rejected, and not the call.
    BatchRefused,
}

impl RetryCause {
    const ALL: [Self; 6] = [
        Self::Unreachable,
        Self::Unprocessed,
        Self::RateLimited,
        Self::NewToken,
        Self::Moved,
        Self::BatchRefused,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Unprocessed => "unprocessed",
            Self::RateLimited => "rate_limited",
            Self::NewToken => "new_token",
            Self::Moved => "moved",
            Self::BatchRefused => "batch_refused",
        }
    }
}

/// The result of looking up an idempotency key in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LedgerResult {
    /// The key is new: the call is sent.
    First,
    /// The stored response was returned.
    Replayed,
    /// The outcome of the first attempt is unknown.
    Unknown,
    /// The key belongs to another request.
    Reused,
    /// An earlier attempt was in progress at the deadline of this one.
    Running,
    /// The ledger did not respond.
    Unavailable,
    /// Counted in addition: the call waited for another attempt.
    Waited,
}

impl LedgerResult {
    const ALL: [Self; 7] = [
        Self::First,
        Self::Replayed,
        Self::Unknown,
        Self::Reused,
        Self::Running,
        Self::Unavailable,
        Self::Waited,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Replayed => "replayed",
            Self::Unknown => "unknown",
            Self::Reused => "reused",
            Self::Running => "running",
            Self::Unavailable => "unavailable",
            Self::Waited => "waited",
        }
    }
}

/// The limits on the calls of this process, for alerts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfiguredLimits {
    /// How many calls may be in progress.
    pub calls_in_progress: usize,
    /// How many of them may wait.
    pub waiting_calls: usize,
    /// Total size of the parameters of waiting calls, in bytes.
    pub waiting_bytes: usize,
    /// How long calls in progress may take to end when the service stops.
    pub drain: Duration,
}

/// The instruments of the dispatcher.
#[derive(Debug)]
pub(super) struct DispatchInstruments {
    waiting_calls: UpDownCounter<i64>,
    waiting_by_priority: Bound<Priority, BoundUpDownCounter<i64>>,
    waiting_bytes: BoundUpDownCounter<i64>,
    wait_duration: Histogram<f64>,
    wait_by_priority: Bound<Priority, BoundHistogram<f64>>,
    refusals: Counter<u64>,
    bucket_fill: BoundHistogram<f64>,
    batch_commands: BoundHistogram<u64>,
    retries: Counter<u64>,
    breaker_openings: Counter<u64>,
    open_breakers: UpDownCounter<i64>,
    silent_requests: Counter<u64>,
    tenant_blocks: Counter<u64>,
    operating_remaining: Histogram<f64>,
    remaining_by_method: Bound<&'static str, BoundHistogram<f64>>,
    ledger: Counter<u64>,
    ledger_by_result: Bound<LedgerResult, BoundCounter<u64>>,
    unwritten_outcomes: BoundUpDownCounter<i64>,
    limits: Gauge<u64>,
    living_replicas: Gauge<u64>,
    isolated: Gauge<u64>,
}

impl DispatchInstruments {
    pub(super) fn new(meter: &Meter) -> Self {
        Self {
            waiting_calls: meter.i64_up_down_counter("openlines.waiting_calls").build(),
            waiting_by_priority: Bound::default(),
            waiting_bytes: meter
                .i64_up_down_counter("openlines.waiting_bytes")
                .build()
                .bind(&[]),
            wait_duration: seconds(meter, "openlines.wait.duration", &WAIT_SECONDS),
            wait_by_priority: Bound::default(),
            refusals: meter.u64_counter("openlines.refusals").build(),
            bucket_fill: meter
                .f64_histogram("openlines.bucket_fill_ratio")
                .with_boundaries(FILL.to_vec())
                .build()
                .bind(&[]),
            batch_commands: meter
                .u64_histogram("openlines.batch_commands")
                .with_boundaries(COMMANDS.to_vec())
                .build()
                .bind(&[]),
            retries: meter.u64_counter("openlines.retries").build(),
            breaker_openings: meter.u64_counter("openlines.breaker_openings").build(),
            open_breakers: meter.i64_up_down_counter("openlines.open_breakers").build(),
            silent_requests: meter.u64_counter("openlines.silent_requests").build(),
            tenant_blocks: meter.u64_counter("openlines.tenant_blocks").build(),
            operating_remaining: seconds(
                meter,
                "openlines.operating_remaining",
                &REMAINING_SECONDS,
            ),
            remaining_by_method: Bound::default(),
            ledger: meter.u64_counter("openlines.ledger").build(),
            ledger_by_result: Bound::default(),
            unwritten_outcomes: meter
                .i64_up_down_counter("openlines.ledger_unwritten_outcomes")
                .build()
                .bind(&[]),
            limits: meter.u64_gauge("openlines.limit").build(),
            living_replicas: meter.u64_gauge("openlines.living_replicas").build(),
            isolated: meter.u64_gauge("openlines.sharing_isolated").build(),
        }
    }

    pub(super) fn begin_at_zero(&self) {
        for priority in [Priority::Interactive, Priority::Bulk] {
            self.wait(priority, 0, 0);
        }
        for reason in REJECTIONS {
            self.refusals.add(0, &[KeyValue::new("reason", reason)]);
        }
        for cause in RetryCause::ALL {
            self.retries
                .add(0, &[KeyValue::new("cause", cause.as_str())]);
        }
        self.breaker_openings.add(0, &[]);
        self.open_breakers.add(0, &[]);
        self.silent_requests.add(0, &[]);
        self.tenant_blocks.add(0, &[]);
        for result in LedgerResult::ALL {
            self.look_up(result, 0);
        }
        self.unwritten_outcomes.add(0);
        self.living_replicas.record(0, &[]);
        self.isolated.record(0, &[]);
    }

    fn wait(&self, priority: Priority, calls: i64, bytes: i64) {
        let bind = || self.waiting_calls.bind(&[of_priority(priority)]);
        (self.waiting_by_priority).measure(priority, bind, |bound| bound.add(calls));
        self.waiting_bytes.add(bytes);
    }

    fn look_up(&self, result: LedgerResult, calls: u64) {
        let attributes = || [KeyValue::new("result", result.as_str())];
        let bind = || self.ledger.bind(&attributes());
        (self.ledger_by_result).measure(result, bind, |bound| bound.add(calls));
    }
}

impl Metrics {
    /// Records the limits on calls.
    pub fn limited(&self, limits: ConfiguredLimits) {
        let ConfiguredLimits {
            calls_in_progress,
            waiting_calls,
            waiting_bytes,
            drain,
        } = limits;
        for (limit, value) in [
            ("calls_in_progress", calls_in_progress),
            ("waiting_calls", waiting_calls),
            ("waiting_bytes", waiting_bytes),
        ] {
            let value = u64::try_from(value).unwrap_or(u64::MAX);
            self.0
                .dispatch
                .limits
                .record(value, &[KeyValue::new("limit", limit)]);
        }
        let limit = KeyValue::new("limit", "drain_seconds");
        self.0.dispatch.limits.record(drain.as_secs(), &[limit]);
    }

    /// Counts a call that is queued, with the size of its parameters.
    pub fn call_queued(&self, priority: Priority, bytes: usize) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.0.dispatch.wait(priority, 1, bytes);
    }

    /// Counts a call that leaves the queue, for whatever reason.
    pub fn call_dequeued(&self, priority: Priority, bytes: usize) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.0.dispatch.wait(priority, -1, -bytes);
    }

    /// Measures how long a call that is sent now has waited.
    pub fn call_sent(&self, priority: Priority, waited: Duration) {
        let dispatch = &self.0.dispatch;
        let bind = || dispatch.wait_duration.bind(&[of_priority(priority)]);
        (dispatch.wait_by_priority).measure(priority, bind, |bound| {
            bound.record(waited.as_secs_f64());
        });
    }

    /// Measures a request that is sent now: how many calls it has, and how full the portal's bucket
    /// is, from 0 to 1, if it has one.
    pub fn request_sent(&self, commands: usize, bucket_fill: Option<f64>) {
        let commands = u64::try_from(commands).unwrap_or(u64::MAX);
        self.0.dispatch.batch_commands.record(commands);
        if let Some(fill) = bucket_fill {
            self.0.dispatch.bucket_fill.record(fill);
        }
    }

    /// Counts a call that is rejected.
    pub fn call_rejected(&self, why: Rejection) {
        let reason = KeyValue::new("reason", reason(why));
        self.0.dispatch.refusals.add(1, &[reason]);
    }

    /// Counts a network message that is not sent because its recipient had this week's.
    pub fn week_guarded(&self) {
        let reason = KeyValue::new("reason", WEEKLY_LIMIT);
        self.0.dispatch.refusals.add(1, &[reason]);
    }

    /// Counts a call that is queued again, to be retried.
    pub fn call_retried(&self, cause: RetryCause) {
        self.0
            .dispatch
            .retries
            .add(1, &[KeyValue::new("cause", cause.as_str())]);
    }

    /// Counts a circuit breaker that opens.
    pub fn breaker_opened(&self) {
        self.0.dispatch.breaker_openings.add(1, &[]);
        self.0.dispatch.open_breakers.add(1, &[]);
    }

    /// Counts a circuit breaker that closes, or whose portal is forgotten.
    pub fn breaker_closed(&self) {
        self.0.dispatch.open_breakers.add(-1, &[]);
    }

    /// Counts a request that is without a response for much longer than usual.
    pub fn request_silent(&self) {
        self.0.dispatch.silent_requests.add(1, &[]);
    }

    /// Counts a tenant whose calls the portal begins to block.
    pub fn tenant_blocked(&self) {
        self.0.dispatch.tenant_blocks.add(1, &[]);
    }

    /// Measures the operating time that a response leaves to a method.
    pub fn operating_reported(&self, method: &'static str, remaining: Duration) {
        let dispatch = &self.0.dispatch;
        let attributes = || [KeyValue::new("bitrix24.method", method)];
        let bind = || dispatch.operating_remaining.bind(&attributes());
        (dispatch.remaining_by_method).measure(method, bind, |bound| {
            bound.record(remaining.as_secs_f64());
        });
    }

    /// Counts a call with an idempotency key.
    pub fn key_looked_up(&self, result: LedgerResult) {
        self.0.dispatch.look_up(result, 1);
    }

    /// Counts outcomes that the ledger has to write; negative: those that are written.
    pub fn outcomes_unwritten(&self, outcomes: i64) {
        self.0.dispatch.unwritten_outcomes.add(outcomes);
    }

    /// Records how many replicas share the rate limits.
    pub fn replicas_counted(&self, living: usize) {
        self.0
            .dispatch
            .living_replicas
            .record(u64::try_from(living).unwrap_or(u64::MAX), &[]);
    }

    /// Records whether this replica is isolated, because the database does not respond.
    pub fn sharing_isolated(&self, away: bool) {
        self.0.dispatch.isolated.record(u64::from(away), &[]);
    }
}

fn of_priority(priority: Priority) -> KeyValue {
    KeyValue::new("priority", priority.as_str())
}
