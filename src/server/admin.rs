//! The admin port: what operators, probes and Prometheus ask over HTTP, apart from callers.

mod host;
mod log_level;
mod page;
mod status;

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;
use tower::ServiceExt;

use self::page::OF_THIS_MOMENT;
use self::status::Status;
use super::settings::AdminSettings;
use crate::dispatch::Dispatcher;
use crate::listener::{self, Places};
use crate::metrics::Metrics;
use crate::readiness::Readiness;
use crate::telemetry::LogFilter;
use crate::version::{REVISION, RUST_VERSION, VERSION};
use crate::workers::Workers;

/// The number of connections: several times what probes and scrapers need. Beyond it the oldest
/// gives way, so that nobody can keep a probe out.
const CONNECTIONS: usize = 256;

/// Prometheus' name for its text format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

const JSON: &str = "application/json";

/// What the port tells of.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) metrics: Metrics,
    pub(crate) readiness: Readiness,
    /// Not there until the service has started.
    pub(crate) dispatcher: Arc<OnceLock<Dispatcher>>,
}

/// Serves the port until `stop` completes.
pub(crate) async fn serve(
    tcp: TcpListener,
    settings: AdminSettings,
    told: Told,
    stop: impl Future<Output = ()>,
) {
    let connection_age = settings.connection;
    let router = router(told, settings.allowed_hosts);
    let places = Places::new(CONNECTIONS, CONNECTIONS, || {});
    let serve = |stream, place| {
        let router = router.clone();
        let service = service_fn(move |request| router.clone().oneshot(request));
        let serving = listener::http1().serve_connection(TokioIo::new(stream), service);
        listener::serve_short(serving, place, connection_age)
    };
    let workers = Workers::default();
    let accepting = listener::accept(tcp, &places, &workers, serve, stop);
    match LogFilter::of_process() {
        None => drop(accepting.await),
        Some(filter) => tokio::select! {
            _open = accepting => {}
            () = filter.fall_back() => {}
        },
    }
}

fn router(told: Told, allowed_hosts: Vec<String>) -> Router {
    let Told {
        metrics,
        readiness,
        dispatcher,
    } = told;
    let status = Status::new(metrics.clone(), readiness.clone(), dispatcher);
    let allowed_hosts: Arc<[String]> = allowed_hosts.into();
    let for_people = Router::new()
        .route("/", get(|| async { page::page() }))
        .route("/status", get(show).with_state(status))
        .route(
            "/log-level",
            get(log_level::get)
                .put(log_level::put)
                .delete(log_level::delete),
        )
        .route_layer(middleware::from_fn_with_state(allowed_hosts, meant));
    Router::new()
        .route("/live", get(|| async { "live\n" }))
        .route("/ready", get(ready).with_state(readiness))
        .route("/metrics", get(scrape).with_state(metrics))
        .route("/version", get(version))
        .merge(for_people)
}

/// Lets through what is meant for this port.
async fn meant(State(allowed): State<Arc<[String]>>, request: Request, next: Next) -> Response {
    if host::is_meant(request.headers(), &allowed) {
        return next.run(request).await;
    }
    let remedy = "use localhost or an IP address, or list the name in admin.allowed_hosts\n";
    (StatusCode::MISDIRECTED_REQUEST, remedy).into_response()
}

async fn show(State(status): State<Status>) -> Response {
    let status = status.json().await.to_string();
    ([(CONTENT_TYPE, JSON)], OF_THIS_MOMENT, status).into_response()
}

async fn version() -> Response {
    let version = json!({
        "version": VERSION,
        "revision": REVISION,
        "rust_version": RUST_VERSION,
    });
    ([(CONTENT_TYPE, JSON)], format!("{version}\n")).into_response()
}

/// As text, or as JSON for who asks for it.
async fn ready(State(readiness): State<Readiness>, headers: HeaderMap) -> Response {
    let accepted = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    let (is_ready, mut response) = if accepted.is_some_and(|accepted| accepted.contains(JSON)) {
        let (is_ready, json) = readiness.json();
        let json = format!("{json}\n");
        (is_ready, ([(CONTENT_TYPE, JSON)], json).into_response())
    } else {
        let (is_ready, text) = readiness.text();
        (is_ready, text.into_response())
    };
    if !is_ready {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}

async fn scrape(State(metrics): State<Metrics>) -> Response {
    match metrics.text() {
        Ok(text) => ([(CONTENT_TYPE, METRICS_TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!(error = %error, "could not write the metrics");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
