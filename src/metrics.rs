//! The metrics. docs/metrics.md lists them, and a test keeps the two equal.
//!
//! A tenant is never a label: there may be 100,000. Names and attributes follow OpenTelemetry's
//! conventions for RPC and HTTP where they exist.

mod bound;
mod callers;
mod calls;
mod connections;
mod dispatch;
mod exposition;
mod failures;
mod http_status;
mod installations;
mod process;
mod push;
mod service;
mod strangers;
mod summary;
mod table;

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{
    BoundCounter, BoundHistogram, Counter, Gauge, Histogram, Meter, MeterProvider,
    ObservableCounter,
};
use opentelemetry_prometheus::ResourceSelector;
use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::Registry;

use self::bound::Bound;
use self::callers::CallersInstruments;
use self::calls::CallInstruments;
pub(crate) use self::calls::{Durations, End, OTHER, Operation};
use self::connections::ConnectionInstruments;
pub(crate) use self::connections::{ConnectionEnd, OpenConnections};
use self::dispatch::DispatchInstruments;
pub(crate) use self::dispatch::{ConfiguredLimits, LedgerResult, RetryCause};
pub(crate) use self::failures::FailedCall;
use self::failures::LastFailures;
use self::http_status::StatusLabel;
pub(crate) use self::push::push;
pub(crate) use self::service::MessageResults;
use self::service::ServiceInstruments;
pub use self::table::all_metrics;
use crate::telemetry::{lost_lines, lost_spans, lost_transmissions};
use bitrix24::Method;

/// The name of all instruments' origin.
const METER: &str = "bitrix24-openlines";

/// Bounds of whole calls, in seconds: a portal answers in tens of milliseconds to a minute.
const CALL_SECONDS: [f64; 13] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
];

/// Bounds of our own share, in seconds: it is tens of microseconds.
const OWN_SECONDS: [f64; 10] = [
    0.000_02, 0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.005, 0.025, 0.1, 1.0,
];

/// How a refresh of an access token ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshEnd {
    /// With a new pair, stored.
    Refreshed,
    /// With a new pair at the second attempt, after a lost answer.
    Recovered,
    /// With a pair that another replica had stored.
    Adopted,
    /// A person has to act.
    ReauthorizationRequired,
    /// The authorization server did not help.
    ServerUnavailable,
    /// The store did not answer.
    StoreUnavailable,
    /// The tenant was deleted or made unusable meanwhile.
    GivenUp,
}

impl RefreshEnd {
    const ALL: [Self; 7] = [
        Self::Refreshed,
        Self::Recovered,
        Self::Adopted,
        Self::ReauthorizationRequired,
        Self::ServerUnavailable,
        Self::StoreUnavailable,
        Self::GivenUp,
    ];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refreshed => "refreshed",
            Self::Recovered => "recovered",
            Self::Adopted => "adopted",
            Self::ReauthorizationRequired => "reauthorization_required",
            Self::ServerUnavailable => "server_unavailable",
            Self::StoreUnavailable => "store_unavailable",
            Self::GivenUp => "given_up",
        }
    }
}

/// What became of a portal's redirect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortalMoveEnd {
    /// The new address was verified and stored.
    Followed,
    /// The new address was not proven to be the portal's.
    Refused,
    /// It could not be verified now.
    Failed,
}

/// What the store said of a tenant that was not in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TenantLoad {
    /// It is there.
    Loaded,
    /// It is not there.
    Absent,
    /// The store did not answer.
    Failed,
}

/// The instruments. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Instruments>);

/// A request to a portal by its method, status and type of error.
type PortalRequest = (&'static str, StatusLabel, &'static str);

#[derive(Debug)]
struct Instruments {
    registry: Registry,
    provider: SdkMeterProvider,
    calls: CallInstruments,
    strangers: Counter<u64>,
    strangers_by_reason: Bound<&'static str, BoundCounter<u64>>,
    request_duration: Histogram<f64>,
    requests: Bound<PortalRequest, BoundHistogram<f64>>,
    undocumented_codes: Counter<u64>,
    installations: Counter<u64>,
    token_refreshes: Counter<u64>,
    token_refresh_duration: Histogram<f64>,
    token_responses_lost: Counter<u64>,
    token_store_failures: Counter<u64>,
    portal_moves: Counter<u64>,
    tenant_loads: Counter<u64>,
    tenants: Gauge<u64>,
    tenants_unlisted: Gauge<u64>,
    directory_followed: Gauge<f64>,
    dispatch: DispatchInstruments,
    dependencies: Gauge<u64>,
    _lost_log_lines: ObservableCounter<u64>,
    _lost_spans: ObservableCounter<u64>,
    _lost_transmissions: ObservableCounter<u64>,
    connections: ConnectionInstruments,
    service: ServiceInstruments,
    last_failures: LastFailures,
    callers: CallersInstruments,
}

impl Metrics {
    /// Makes the instruments, all at zero.
    ///
    /// # Errors
    ///
    /// The exporter cannot be set up.
    pub fn new() -> Result<Self, OTelSdkError> {
        let registry = Registry::new();
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .scope_info_enabled(false)
            .without_target_info()
            .with_resource_selector(ResourceSelector::None)
            .build()?;
        let provider = SdkMeterProvider::builder().with_reader(exporter).build();
        let meter = provider.meter(METER);
        process::observe(&meter);
        let instruments = Instruments {
            calls: CallInstruments::new(&meter),
            strangers: meter.u64_counter("openlines.refused_strangers").build(),
            strangers_by_reason: Bound::default(),
            request_duration: seconds(&meter, "http.client.request.duration", &CALL_SECONDS),
            requests: Bound::default(),
            undocumented_codes: meter.u64_counter("openlines.undocumented_codes").build(),
            installations: meter.u64_counter("openlines.installations").build(),
            token_refreshes: meter.u64_counter("openlines.token_refreshes").build(),
            token_refresh_duration: seconds(
                &meter,
                "openlines.token_refresh.duration",
                &CALL_SECONDS,
            ),
            token_responses_lost: meter.u64_counter("openlines.token_responses_lost").build(),
            token_store_failures: meter.u64_counter("openlines.token_store_failures").build(),
            portal_moves: meter.u64_counter("openlines.portal_moves").build(),
            tenant_loads: meter.u64_counter("openlines.tenant_loads").build(),
            tenants: meter.u64_gauge("openlines.tenants").build(),
            tenants_unlisted: meter.u64_gauge("openlines.unlisted_tenants").build(),
            directory_followed: meter
                .f64_gauge("openlines.directory.followed.timestamp")
                .with_unit("s")
                .build(),
            dispatch: DispatchInstruments::new(&meter),
            dependencies: meter.u64_gauge("openlines.dependency.works").build(),
            _lost_log_lines: meter
                .u64_observable_counter("openlines.log.lost_lines")
                .with_callback(|lost| lost.observe(lost_lines(), &[]))
                .build(),
            _lost_spans: meter
                .u64_observable_counter("openlines.traces_lost")
                .with_callback(|lost| lost.observe(lost_spans(), &[]))
                .build(),
            _lost_transmissions: meter
                .u64_observable_counter("openlines.metrics_lost")
                .with_callback(|lost| lost.observe(lost_transmissions(), &[]))
                .build(),
            connections: ConnectionInstruments::new(&meter),
            service: ServiceInstruments::new(&meter),
            last_failures: LastFailures::default(),
            callers: CallersInstruments::new(&meter),
            registry,
            provider,
        };
        let metrics = Self(Arc::new(instruments));
        metrics.begin_at_zero();
        Ok(metrics)
    }

    /// Shows the counters of alerts from the start: a series that begins with 1 has no rate.
    fn begin_at_zero(&self) {
        self.begin_installations_at_zero();
        for method in Method::ALL {
            self.undocumented_codes(method.name(), 0);
        }
        for end in RefreshEnd::ALL {
            self.0
                .token_refreshes
                .add(0, &[KeyValue::new("end", end.as_str())]);
        }
        for end in ["followed", "refused", "failed"] {
            self.0.portal_moves.add(0, &[KeyValue::new("end", end)]);
        }
        for end in ["loaded", "absent", "failed"] {
            self.0.tenant_loads.add(0, &[KeyValue::new("end", end)]);
        }
        self.begin_strangers_at_zero();
        self.0.token_responses_lost.add(0, &[]);
        self.0.token_store_failures.add(0, &[]);
        self.0.tenants_unlisted.record(0, &[]);
        self.0.dispatch.begin_at_zero();
        self.0.connections.begin_at_zero();
        self.0.service.begin_at_zero();
    }

    /// Counts a request to a portal that has ended.
    pub fn portal_request_ended(
        &self,
        method: &'static str,
        http_status: Option<u16>,
        error_type: &'static str,
        duration: Duration,
    ) {
        let status = StatusLabel::of(http_status);
        let bind = || {
            self.0.request_duration.bind(&[
                KeyValue::new("bitrix24.method", method),
                KeyValue::new("http.response.status_code", status.to_text()),
                KeyValue::new("error.type", error_type),
            ])
        };
        let key = (method, status, error_type);
        (self.0.requests).measure(key, bind, |bound| bound.record(duration.as_secs_f64()));
    }

    /// Counts a refusal with a code that is not documented.
    pub fn undocumented_code(&self, method: &'static str) {
        self.undocumented_codes(method, 1);
    }

    fn undocumented_codes(&self, method: &'static str, codes: u64) {
        let attributes = [KeyValue::new("bitrix24.method", method)];
        self.0.undocumented_codes.add(codes, &attributes);
    }

    /// Counts a refresh of an access token that has ended.
    pub fn token_refresh_ended(&self, end: RefreshEnd, duration: Duration) {
        self.0
            .token_refreshes
            .add(1, &[KeyValue::new("end", end.as_str())]);
        self.0
            .token_refresh_duration
            .record(duration.as_secs_f64(), &[]);
    }

    /// Counts an answer of an authorization server that was lost.
    pub fn token_answer_lost(&self) {
        self.0.token_responses_lost.add(1, &[]);
    }

    /// Counts a failed attempt to store a new pair of tokens.
    pub fn token_not_stored(&self) {
        self.0.token_store_failures.add(1, &[]);
    }

    /// Counts a redirect of a portal.
    pub fn portal_moved(&self, end: PortalMoveEnd) {
        let end = match end {
            PortalMoveEnd::Followed => "followed",
            PortalMoveEnd::Refused => "refused",
            PortalMoveEnd::Failed => "failed",
        };
        self.0.portal_moves.add(1, &[KeyValue::new("end", end)]);
    }

    /// Counts a tenant that was looked up in the store.
    pub fn tenant_loaded(&self, end: TenantLoad) {
        let end = match end {
            TenantLoad::Loaded => "loaded",
            TenantLoad::Absent => "absent",
            TenantLoad::Failed => "failed",
        };
        self.0.tenant_loads.add(1, &[KeyValue::new("end", end)]);
    }

    /// Notes how many tenants there are.
    pub fn tenants_counted(&self, all: u64, disabled: u64, reauthorization_required: u64) {
        for (state, count) in [
            ("all", all),
            ("disabled", disabled),
            ("reauthorization_required", reauthorization_required),
        ] {
            self.0
                .tenants
                .record(count, &[KeyValue::new("state", state)]);
        }
    }

    /// Notes whether a dependency works.
    pub fn dependency(&self, name: &'static str, works: bool) {
        let attributes = [KeyValue::new("dependency", name)];
        self.0.dependencies.record(u64::from(works), &attributes);
    }

    /// Notes how many tenants the tenants file no longer names.
    pub fn tenants_unlisted(&self, count: usize) {
        self.0
            .tenants_unlisted
            .record(u64::try_from(count).unwrap_or(u64::MAX), &[]);
    }

    /// Notes that the directory is up to date.
    pub fn directory_followed(&self) {
        let now = jiff::Timestamp::now().as_duration().as_secs_f64();
        self.0.directory_followed.record(now, &[]);
    }
}

fn seconds(meter: &Meter, name: &'static str, bounds: &[f64]) -> Histogram<f64> {
    meter
        .f64_histogram(name)
        .with_unit("s")
        .with_boundaries(bounds.to_vec())
        .build()
}
