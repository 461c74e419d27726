//! The admin port: metrics and the state of the process over HTTP, apart from callers.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tower::ServiceExt;

use crate::listener::{self, Places};
use crate::metrics::Metrics;
use crate::readiness::Readiness;
use crate::workers::Workers;

/// The number of connections: several times what probes and scrapers need. Beyond it the oldest
/// gives way, so that nobody can keep a probe out.
const CONNECTIONS: usize = 256;

/// Prometheus' name for its text format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

#[derive(Clone)]
struct Admin {
    metrics: Metrics,
    readiness: Readiness,
}

/// Serves `/metrics`, `/live` and `/ready` until `stop` completes.
pub(crate) async fn serve(
    tcp: TcpListener,
    connection_age: Duration,
    metrics: Metrics,
    readiness: Readiness,
    stop: impl Future<Output = ()>,
) {
    let router = Router::new()
        .route("/live", get(|| async { "live\n" }))
        .route("/ready", get(ready))
        .route("/metrics", get(scrape))
        .with_state(Admin { metrics, readiness });
    let places = Places::new(CONNECTIONS, CONNECTIONS, || {});
    let serve = |stream, place| {
        let router = router.clone();
        let service = service_fn(move |request| router.clone().oneshot(request));
        let serving = listener::http1().serve_connection(TokioIo::new(stream), service);
        listener::serve_short(serving, place, connection_age)
    };
    listener::accept(tcp, &places, &Workers::default(), serve, stop).await;
}

/// As text, or as JSON for who asks for it.
async fn ready(State(admin): State<Admin>, headers: HeaderMap) -> Response {
    let accepted = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    let (is_ready, mut response) =
        if accepted.is_some_and(|accepted| accepted.contains("application/json")) {
            let (is_ready, json) = admin.readiness.json();
            let json = format!("{json}\n");
            let content_type = [(CONTENT_TYPE, "application/json")];
            (is_ready, (content_type, json).into_response())
        } else {
            let (is_ready, text) = admin.readiness.text();
            (is_ready, text.into_response())
        };
    if !is_ready {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}

async fn scrape(State(admin): State<Admin>) -> Response {
    match admin.metrics.text() {
        Ok(text) => ([(CONTENT_TYPE, METRICS_TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!(error = %error, "could not write the metrics");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
