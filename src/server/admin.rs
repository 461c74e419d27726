//! The admin port: metrics and the state of the process over HTTP, apart from callers.

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

use crate::listener;
use crate::metrics::Metrics;

/// The number of connections: several times what probes and scrapers need.
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
    metrics: Metrics,
    ready: watch::Receiver<bool>,
    stop: impl Future<Output = ()>,
) {
    let router = Router::new()
        .route("/live", get(|| async { "live\n" }))
        .route("/ready", get(readiness))
        .route("/metrics", get(scrape))
        .with_state(Admin { metrics, ready });
    let serve = |stream| {
        let router = router.clone();
        let service = service_fn(move |request| router.clone().oneshot(request));
        let serving = listener::http1().serve_connection(TokioIo::new(stream), service);
        async move {
            // The end of a connection concerns its client only.
            let _ = serving.await;
        }
    };
    listener::accept(tcp, Some(CONNECTIONS), serve, stop).await;
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
