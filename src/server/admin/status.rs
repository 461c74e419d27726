//! `/status`: what the status page shows, as JSON. No secret, no text of a message, no path of a
//! webhook: hosts, ids of tenants, and numbers.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::dispatch::Dispatcher;
use crate::metrics::{FailedCall, Metrics};
use crate::readiness::Readiness;
use crate::telemetry::LogFilter;
use crate::version::{REVISION, RUST_VERSION, VERSION};
use pacing::PortalView;

/// The portals that are shown.
const PORTALS: usize = 50;

/// How old an answer may be: many readers cost no more than one.
const FRESH: Duration = Duration::from_secs(1);

/// What the page is made of. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Status(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    metrics: Metrics,
    readiness: Readiness,
    /// Not there until the service has started.
    dispatcher: Arc<OnceLock<Dispatcher>>,
    started: jiff::Timestamp,
    /// The last answer. A lock of tokio, because it is held while the next one is made, so that
    /// others wait for it and do not make their own.
    latest: Mutex<Option<(Instant, Arc<str>)>>,
}

impl Status {
    pub(super) fn new(
        metrics: Metrics,
        readiness: Readiness,
        dispatcher: Arc<OnceLock<Dispatcher>>,
    ) -> Self {
        Self(Arc::new(Shared {
            metrics,
            readiness,
            dispatcher,
            started: jiff::Timestamp::now(),
            latest: Mutex::default(),
        }))
    }

    /// At most [`FRESH`] old.
    pub(super) async fn json(&self) -> Arc<str> {
        let mut latest = self.0.latest.lock().await;
        if let Some((made, json)) = &*latest
            && made.elapsed() < FRESH
        {
            return Arc::clone(json);
        }
        let status = self.clone();
        // Looking at many portals takes a while.
        let made = tokio::task::spawn_blocking(move || status.make().to_string()).await;
        let json: Arc<str> = made.unwrap_or_default().into();
        *latest = Some((Instant::now(), Arc::clone(&json)));
        json
    }

    fn make(&self) -> Value {
        let Shared {
            metrics,
            readiness,
            dispatcher,
            started,
            ..
        } = &*self.0;
        let (_, readiness) = readiness.json();
        let overview = dispatcher
            .get()
            .map(|dispatcher| dispatcher.overview(PORTALS));
        let (known, busiest) = overview.map_or((0, Vec::new()), |overview| {
            (overview.known, overview.busiest)
        });
        let summary = metrics.summary();
        let value = |name| summary.sum(name, None);
        let with = |name, label, value| summary.sum(name, Some((label, value)));
        let waiting = |priority| with("openlines_waiting_calls", "priority", priority);
        let limit = |limit| with("openlines_limit", "limit", limit);
        let connections = |state| with("openlines_open_connections", "state", state);
        let to_portals = |state| with("openlines_portal_connections", "state", state);
        let calls_by = |label| {
            let mut sums = summary.sums_by("openlines_calls_total", label);
            // Series that are there for alerts.
            sums.retain(|_, calls| *calls > 0.0);
            sums
        };
        let filter = LogFilter::of_process().map(|filter| filter.in_force());
        json!({
            "service": {
                "version": VERSION,
                "revision": REVISION,
                "rust_version": RUST_VERSION,
                "started": format!("{started:.0}"),
                "memory_bytes": value("process_resident_memory_bytes"),
                "cpu_seconds": value("process_cpu_seconds_total"),
            },
            "readiness": readiness,
            "calls": {
                "in_progress": value("openlines_calls_in_progress"),
                "in_progress_limit": limit("calls_in_progress"),
                "waiting_interactive": waiting("interactive"),
                "waiting_bulk": waiting("bulk"),
                "waiting_limit": limit("waiting_calls"),
                "waiting_bytes": value("openlines_waiting_bytes"),
                "waiting_bytes_limit": limit("waiting_bytes"),
                "by_code": calls_by("rpc_response_status_code"),
                "by_error_source": calls_by("error_source"),
            },
            "connections": {
                "callers": connections("authenticated"),
                "strangers": connections("unauthenticated"),
                "portals_in_use": to_portals("in_use"),
                "portals_idle": to_portals("idle"),
            },
            "replicas": {
                "living": value("openlines_living_replicas"),
                "isolated": value("openlines_sharing_isolated") > 0.0,
            },
            "tenants": summary.sums_by("openlines_tenants", "state"),
            "log": {
                "filter": filter.map(|filter| filter.filter),
                "lost_lines": value("openlines_log_lost_lines_total"),
                "lost_spans": value("openlines_traces_lost_total"),
                "lost_transmissions": value("openlines_metrics_lost_total"),
            },
            "portals": {
                "known": known,
                "open_breakers": value("openlines_open_breakers"),
                "busiest": busiest.iter().map(portal).collect::<Vec<_>>(),
            },
            "last_failures": metrics.last_failures().iter().map(failed).collect::<Vec<_>>(),
        })
    }
}

fn portal((host, view): &(String, PortalView)) -> Value {
    json!({
        "host": host,
        "waiting": view.waiting,
        "in_flight": view.in_flight,
        "bucket_fill": view.fill,
        "breaker_open": view.is_breaker_open,
        "backoff_seconds": view.backoff.as_secs_f64(),
        "held_conversations": view.held,
    })
}

fn failed(call: &FailedCall) -> Value {
    json!({
        "at": format!("{:.0}", call.at),
        "operation": call.operation.name(),
        "tenant": call.tenant.as_ref().map(bitrix24::TenantId::as_str),
        "code": call.code,
        "reason": call.reason,
    })
}
