//! The connections of callers.
//!
//! A connection's task takes its calls one after the other, so the order of their arrival is known
//! here. The gRPC library's own listener starts each in a task and loses it (docs/adr/0021).

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tonic::body::Body;
use tower::ServiceExt;
use tower::util::Oneshot;

use super::call::CallService;
use super::tls::Tls;
use crate::call::Arrivals;
use crate::listener;

/// Streams of one connection, or more: a single caller may use the capacity for all calls. The
/// HTTP/2 library's default is 200.
const CONCURRENT_STREAMS: u32 = 256;
/// The unread data of all streams of a connection, in bytes. Beyond it the peer has to wait,
/// however many streams it has.
const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;
/// The unread data of a stream, in bytes.
const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
/// Streams that a peer opened and reset before they were handled ("rapid reset", CVE-2023-44487).
const PENDING_RESET_STREAMS: usize = 20;
/// The size of all headers of a call, in bytes.
const HEADER_LIST_BYTES: u32 = 16 * 1024;
/// When a silent peer is pinged, and how long its reply may take.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(10));

/// Serves connections.
#[derive(Clone)]
pub(super) struct Connections<S> {
    calls: CallService<S>,
    http: http2::Builder<TokioExecutor>,
    tls: Option<Tls>,
    /// The service whose calls are sensitive to the order in which they arrive.
    in_order: &'static str,
    arrived: Arc<AtomicU64>,
}

struct Connection<S> {
    calls: CallService<S>,
    in_order: &'static str,
    arrivals: Arrivals,
}

impl<S> Connections<S>
where
    S: tower::Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: std::error::Error + Send + Sync + 'static,
{
    /// Connections that make `calls`, at most `maximum_calls` at once.
    pub(super) fn new(
        calls: CallService<S>,
        in_order: &'static str,
        maximum_calls: usize,
        tls: Option<Tls>,
    ) -> Self {
        let streams = u32::try_from(maximum_calls).unwrap_or(u32::MAX);
        let (keepalive_interval, keepalive_timeout) = KEEPALIVE;
        let mut http = http2::Builder::new(TokioExecutor::new());
        http.timer(TokioTimer::new())
            .max_concurrent_streams(streams.max(CONCURRENT_STREAMS))
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .max_pending_accept_reset_streams(PENDING_RESET_STREAMS)
            .max_header_list_size(HEADER_LIST_BYTES)
            .keep_alive_interval(keepalive_interval)
            .keep_alive_timeout(keepalive_timeout);
        Self {
            calls,
            http,
            tls,
            in_order,
            arrived: Arc::default(),
        }
    }

    /// Accepts connections until `stop` completes; then waits until the open ones have ended their
    /// calls.
    pub(super) async fn serve(self, tcp: TcpListener, stop: impl Future<Output = ()>) {
        let open = GracefulShutdown::new();
        let serve = |stream| self.clone().connected(stream, open.watcher());
        listener::accept(tcp, None, serve, stop).await;
        open.shutdown().await;
    }

    async fn connected(self, stream: TcpStream, watcher: Watcher) {
        match self.tls.clone() {
            None => self.speak(stream, watcher).await,
            Some(tls) => match tls.accept(stream).await {
                Ok(stream) => self.speak(stream, watcher).await,
                Err(error) => tracing::debug!(%error, "TLS handshake failed"),
            },
        }
    }

    async fn speak(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        watcher: Watcher,
    ) {
        let connection = Connection {
            calls: self.calls,
            in_order: self.in_order,
            arrivals: Arrivals::new(self.arrived),
        };
        let serving = self.http.serve_connection(TokioIo::new(stream), connection);
        if let Err(error) = watcher.watch(serving).await {
            tracing::debug!(%error, "connection failed");
        }
    }
}

impl<S> Service<Request<Incoming>> for Connection<S>
where
    CallService<S>: tower::Service<Request<Body>> + Clone,
{
    type Response = <CallService<S> as tower::Service<Request<Body>>>::Response;
    type Error = <CallService<S> as tower::Service<Request<Body>>>::Error;
    type Future = Oneshot<CallService<S>, Request<Body>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let mut request = request.map(Body::new);
        if is_of(request.uri().path(), self.in_order) {
            request.extensions_mut().insert(self.arrivals.next());
        }
        self.calls.clone().oneshot(request)
    }
}

/// Whether the path names a method of the service (gRPC over HTTP/2, "Path").
fn is_of(path: &str, service: &str) -> bool {
    path.strip_prefix('/')
        .and_then(|path| path.strip_prefix(service))
        .is_some_and(|method| method.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::is_of;

    #[test]
    fn a_path_names_a_service_and_a_method() {
        assert!(is_of("/a.b.Service/Call", "a.b.Service"));
        for other in [
            "/a.b.Services/Call",
            "/a.b.Service",
            "a.b.Service/Call",
            "/",
        ] {
            assert!(!is_of(other, "a.b.Service"), "{other}");
        }
    }
}
