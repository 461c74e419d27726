//! The connections of callers.
//!
//! A connection's task takes its calls one after the other, so here it is known in which order they arrived; a gRPC library's own listener begins
//! each on its task and forgets it (docs/adr/0021).

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

/// Streams of one connection, or more: a single caller may use the room of all calls. The HTTP/2 library would set 200.
const CONCURRENT_STREAMS: u32 = 256;
/// The data of all streams of a connection that waits to be read, in bytes. Beyond it the peer has to wait, however many streams it
/// has.
const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;
/// The data of a stream that waits to be read, in bytes.
const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
/// Streams that a peer opened and reset before they were looked at ("rapid reset", CVE-2023-44487).
const PENDING_RESET_STREAMS: usize = 20;
/// The size of all headers of a call, in bytes.
const HEADER_LIST_BYTES: u32 = 16 * 1024;
/// How often a silent peer is asked whether it is still there, and how long it may take to answer.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(10));
/// How long accepting pauses when the machine has no more sockets to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Takes connections.
#[derive(Clone)]
pub(super) struct Connections<S> {
    calls: CallService<S>,
    http: http2::Builder<TokioExecutor>,
    tls: Option<Tls>,
    /// Calls to this service have an order.
    in_order: &'static str,
    arrived: Arc<AtomicU64>,
}

/// One connection.
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
    /// Prepares for connections that make `calls`, of which `maximum_calls` may be in hand. What becomes of the calls to the service
    /// `in_order` depends on the order in which they arrive.
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

    /// Accepts connections until `stop` completes; then waits until the open ones have ended their calls.
    pub(super) async fn serve(self, listener: TcpListener, stop: impl Future<Output = ()>) {
        let open = GracefulShutdown::new();
        tokio::select! {
            () = self.accept(&listener, &open) => {}
            () = stop => {}
        }
        // New connections are refused from here on, rather than left waiting.
        drop(listener);
        open.shutdown().await;
    }

    async fn accept(&self, listener: &TcpListener, open: &GracefulShutdown) {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    tracing::trace!(%peer, "a connection was accepted");
                    tokio::spawn(self.clone().connected(stream, open.watcher()));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn connected(self, stream: TcpStream, watcher: Watcher) {
        // Small answers should leave at once; a socket that does not take the option works too.
        let _ = stream.set_nodelay(true);
        match self.tls.clone() {
            None => self.speak(stream, watcher).await,
            Some(tls) => match tls.accept(stream).await {
                Ok(stream) => self.speak(stream, watcher).await,
                Err(error) => tracing::debug!(%error, "a TLS handshake failed"),
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
            tracing::debug!(%error, "a connection failed");
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
