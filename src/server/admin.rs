//! The admin port: metrics and the state of the process over HTTP, apart from callers.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tower::ServiceExt;

use crate::listener::{self, Places};
use crate::metrics::Metrics;

/// The number of connections: several times what probes and scrapers need. Beyond it the oldest
/// gives way, so that nobody can keep a probe out.
const CONNECTIONS: usize = 256;

/// Prometheus' name for its text format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

#[derive(Clone)]
struct Admin {
    metrics: Metrics,
    ready: watch::Receiver<bool>,
}

/// Serves `/metrics`, `/live` and `/ready` until `stop` completes.
pub(crate) async fn serve(
    tcp: TcpListener,
    connection_age: Duration,
    metrics: Metrics,
    ready: watch::Receiver<bool>,
    stop: impl Future<Output = ()>,
) {
    let router = Router::new()
        .route("/live", get(|| async { "live\n" }))
        .route("/ready", get(readiness))
        .route("/metrics", get(scrape))
        .with_state(Admin { metrics, ready });
    let places = Places::new(CONNECTIONS, CONNECTIONS, || {});
    let serve = |stream, place| {
        let router = router.clone();
        let service = service_fn(move |request| router.clone().oneshot(request));
        let serving = listener::http1().serve_connection(TokioIo::new(stream), service);
        listener::serve_short(serving, place, connection_age)
    };
    listener::accept(tcp, &places, serve, stop).await;
}

async fn readiness(State(admin): State<Admin>) -> Response {
    if *admin.ready.borrow() {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response()
    }
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
