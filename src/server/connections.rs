//! The connections of callers.
//!
//! A connection's task takes its calls one after the other, so the order of their arrival is known
//! here. The gRPC library's own listener starts each in a task and loses it (docs/adr/0021).
//!
//! ```text
//! places (listener)   how many connections, and who gives way
//! preface             nothing is built for a peer that has not begun to speak HTTP/2
//! serving, life       calls, and when the connection ends by itself: no credential, age, stop
//! link                what is known of the connection: calls, cancellations, unread responses
//! received            notes requests that are broken off
//! answer, unread      responses count until the peer has taken them
//! socket              a peer that takes nothing is not read from
//! sweep               ends those that do not read
//! ```

mod answer;
mod life;
mod link;
mod preface;
mod received;
mod serving;
mod settings;
mod socket;
mod sweep;
mod unread;

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use self::life::Life;
use self::link::Link;
use self::serving::Calls;
pub(super) use self::settings::ConnectionSettings;
use self::sweep::Links;
use self::unread::AllUnread;
use super::call::CallService;
use super::peer::Peer;
use super::tls::Tls;
use super::unary::Unary;
use crate::auth::PeerCertificate;
use crate::call::Arrivals;
use crate::listener::{self, Place, Places};
use crate::metrics::{ConnectionEnd, Metrics};
use crate::workers::Workers;

/// The unread data of all streams of a connection, in bytes. Beyond it the peer has to wait,
/// however many streams it has.
const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;
/// The unread data of a stream, in bytes.
const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
/// Streams that we had to reset because of what the peer did ("MadeYouReset", CVE-2025-8671).
const LOCAL_ERROR_RESETS: usize = 1024;
/// The size of all headers of a call, in bytes.
const HEADER_LIST_BYTES: u32 = 16 * 1024;
/// One of so many places is for connections without an accepted credential, because each costs
/// memory: 25 KiB in plain text, and twice that with TLS.
const STRANGERS_PART: usize = 4;
/// How long a connection lasts beyond its age and the longest call: the response has to arrive.
const LAST_RESPONSES: Duration = Duration::from_secs(5);

/// Serves connections.
pub(super) struct Connections<O> {
    calls: CallService<O>,
    tls: Option<Tls>,
    /// The service whose calls are sensitive to the order in which they arrive.
    in_order: &'static str,
    limits: ConnectionSettings,
    longest_call: Duration,
    workers: Workers,
    metrics: Metrics,
}

/// What all connections share. Cheap to clone.
struct Shared<O> {
    http: http2::Builder<TokioExecutor>,
    connections: Arc<Connections<O>>,
    arrived: Arc<AtomicU64>,
    unread: Arc<AllUnread>,
    links: Links,
}

impl<O> Clone for Shared<O> {
    fn clone(&self) -> Self {
        Self {
            http: self.http.clone(),
            connections: Arc::clone(&self.connections),
            arrived: Arc::clone(&self.arrived),
            unread: Arc::clone(&self.unread),
            links: self.links.clone(),
        }
    }
}

impl<O: Unary> Connections<O> {
    /// Connections that make `calls`, of which none takes longer than `longest_call`.
    pub(super) fn new(
        calls: CallService<O>,
        in_order: &'static str,
        limits: &ConnectionSettings,
        longest_call: Duration,
        tls: Option<Tls>,
        workers: Workers,
        metrics: Metrics,
    ) -> Self {
        Self {
            calls,
            tls,
            in_order,
            limits: limits.clone(),
            longest_call,
            workers,
            metrics,
        }
    }

    /// Accepts connections until `stop` completes; then waits until the open ones have ended their
    /// calls. Dropped, it cuts those that are open.
    pub(super) async fn serve(self, tcp: TcpListener, stop: impl Future<Output = ()>) {
        let metrics = self.metrics.clone();
        let refused = metrics.clone();
        let maximum = self.limits.maximum;
        let strangers = maximum.div_ceil(STRANGERS_PART);
        let places = Places::new(maximum, strangers, move || {
            refused.connection_ended(ConnectionEnd::Refused);
        });
        let _cut = CutAtTheEnd(places.clone());
        let limit = self.limits.unread;
        let tls = self.tls.clone();
        let workers = self.workers.clone();
        let shared = Shared {
            http: http(&self.limits),
            arrived: Arc::default(),
            unread: AllUnread::new(self.limits.maximum_unread_bytes),
            links: Links::default(),
            connections: Arc::new(self),
        };
        let (links, unread) = (shared.links.clone(), Arc::clone(&shared.unread));
        let serving = async {
            let serve = |stream, place| shared.clone().connected(stream, place);
            let open = listener::accept(tcp, &places, &workers, serve, stop).await;
            places.stop();
            open.wait().await;
        };
        let following = async {
            match &tls {
                Some(tls) => tls.follow(&metrics).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = serving => {}
            () = links.sweep(&unread, limit, &metrics) => {}
            () = following => {}
        }
    }
}

impl<O: Unary> Shared<O> {
    async fn connected(self, stream: TcpStream, place: Place) {
        let metrics = self.connections.metrics.clone();
        let end = match self.connections.tls.clone() {
            None => self.speak(stream, &place).await,
            Some(tls) => self.speak_encrypted(stream, &tls, &place).await,
        };
        metrics.connection_ended(end);
    }

    async fn speak(self, mut stream: TcpStream, place: &Place) -> ConnectionEnd {
        match self.opened(preface::read(&mut stream), place).await {
            Ok(()) => self.serve(stream, place, None).await,
            Err(end) => end,
        }
    }

    async fn speak_encrypted(self, stream: TcpStream, tls: &Tls, place: &Place) -> ConnectionEnd {
        let opening = async {
            let mut stream = tls.accept(stream).await?;
            preface::read(&mut stream).await?;
            Ok(stream)
        };
        match self.opened(opening, place).await {
            Ok(stream) => {
                let certificates = stream.get_ref().1.peer_certificates();
                let leaf = certificates.and_then(<[_]>::first);
                let certificate = leaf.map(|leaf| PeerCertificate::verified(leaf));
                self.serve(stream, place, certificate).await
            }
            Err(end) => end,
        }
    }

    /// Waits until a connection has begun, in time and unless it is told to end.
    async fn opened<T>(
        &self,
        opening: impl Future<Output = io::Result<T>>,
        place: &Place,
    ) -> Result<T, ConnectionEnd> {
        let recall = place.recall();
        tokio::select! {
            opened = tokio::time::timeout(self.connections.limits.preface, opening) => {
                let opened = opened.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
                opened.map_err(|error| {
                    tracing::debug!(%error, "a connection did not begin");
                    ConnectionEnd::Handshake
                })
            }
            cause = recall.any() => Err(serving::end_of(cause)),
        }
    }

    async fn serve(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        place: &Place,
        certificate: Option<PeerCertificate>,
    ) -> ConnectionEnd {
        let connections = &self.connections;
        let limits = &connections.limits;
        let peer = Arc::new(Peer::new(place.keeper(), place.recall(), certificate));
        let streams = limits.maximum_streams;
        let link = Link::new(Arc::clone(&peer), place.recall(), &self.unread, streams);
        let _listed = self.links.add(&link);
        let calls = Calls {
            calls: connections.calls.of_peer(peer),
            in_order: connections.in_order,
            arrivals: Arrivals::new(Arc::clone(&self.arrived)),
            link,
        };
        let age = limits.age.mul_f64(rand::random_range(0.9..=1.1));
        let grace = connections.longest_call + LAST_RESPONSES;
        let life = Life::new(Instant::now(), limits.unauthenticated, age, grace);
        serving::serve(&self.http, stream, calls, life).await
    }
}

/// The limits of HTTP/2.
fn http(limits: &ConnectionSettings) -> http2::Builder<TokioExecutor> {
    let streams = limits.maximum_streams;
    let mut http = http2::Builder::new(TokioExecutor::new());
    http.timer(TokioTimer::new())
        .max_concurrent_streams(streams)
        // Calls that were cancelled before their turn: a client may cancel all that it has.
        .max_pending_accept_reset_streams(usize::try_from(streams).unwrap_or(usize::MAX))
        .max_local_error_reset_streams(LOCAL_ERROR_RESETS)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .max_header_list_size(HEADER_LIST_BYTES)
        .keep_alive_interval(limits.keepalive)
        .keep_alive_timeout(limits.keepalive_timeout);
    http
}

/// Cuts every connection when it is dropped.
struct CutAtTheEnd(Places);

impl Drop for CutAtTheEnd {
    fn drop(&mut self) {
        self.0.cut();
    }
}
