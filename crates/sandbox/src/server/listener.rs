//! A listener and its connections.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONNECTION, HOST};
use http::{HeaderMap, HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use socket2::{SockRef, Socket};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info, warn};

use super::body::{Body, Cut, write};
use super::connection::{self, ConnectionLimits, Requests};
use super::goaway;
use super::tls::Identity;
use super::watch;
use crate::control::{self, Controlled};
use crate::handler;
use crate::request::HttpRequest;
use crate::response::{HttpResponse, Reply};
use crate::simulator::{RunningPortal, Simulator};

/// How long accepting pauses when the machine has no more sockets.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Largest request body in bytes, far above that of any client of the three methods.
const LARGEST_BODY: usize = 64 * 1024 * 1024;

/// Bytes of frames that wait between the two halves of a connection that ends after some requests.
const FRAMES_IN_BETWEEN: usize = 64 * 1024;

/// Why a connection ended. Only logged.
type ConnectionError = Box<dyn std::error::Error + Send + Sync>;

/// The client of a connection.
#[derive(Clone, Debug)]
struct Peer {
    /// A second handle to the socket, to turn a clean close into a reset.
    socket: Arc<Socket>,
    address: Option<IpAddr>,
}

#[derive(Clone, Debug)]
pub(crate) struct Listener {
    pub(crate) simulator: Arc<Simulator>,
    pub(crate) address: SocketAddr,
    /// The portal that it serves. `None`: the `Host` header selects one.
    pub(crate) portal: Option<Arc<RunningPortal>>,
    /// The certificate for clients that use TLS. Others are served in plain text.
    pub(crate) identity: Option<Identity>,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
}

impl Listener {
    /// Accepts connections until the simulator stops.
    pub(crate) fn start(self, listener: TcpListener) {
        let (tasks, stop) = (self.tasks.clone(), self.stop.clone());
        let accepting = async move {
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => {
                        self.tasks.spawn(self.clone().serve(stream));
                    }
                    Err(error) => {
                        warn!(%error, "cannot accept a connection");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        };
        tasks.spawn(stop.run_until_cancelled_owned(accepting));
    }

    /// Moves a portal to a listener of its own. Other addresses redirect there.
    pub(crate) fn rename(
        &self,
        portal: &Arc<RunningPortal>,
        listener: TcpListener,
        address: SocketAddr,
    ) {
        let own = Self {
            address,
            portal: Some(Arc::clone(portal)),
            ..self.clone()
        };
        own.start(listener);
        portal.rename(address);
        info!(%address, host = portal.host, "sandbox portal renamed");
    }

    /// Serves one connection until the client or a fault ends it, or the simulator stops.
    async fn serve(self, stream: TcpStream) {
        let prepared = stream
            .set_nodelay(true)
            .and_then(|()| SockRef::from(&stream).try_clone());
        let Ok(socket) = prepared.map(Arc::new) else {
            return;
        };
        let stop = self.stop.clone();
        let peer = Peer {
            socket,
            address: stream.peer_addr().ok().map(|peer| peer.ip()),
        };
        let limits = ConnectionLimits::of(&self.simulator.switches());
        let served = async move {
            let identity = match &self.identity {
                Some(identity) if Identity::is_wanted(&stream).await? => identity.clone(),
                _ => return self.http1(stream, peer, limits, false).await,
            };
            let (stream, is_http2) = identity.accept(stream, limits.offers_http2).await?;
            if is_http2 {
                Box::pin(self.http2(stream, peer, limits)).await
            } else {
                self.http1(stream, peer, limits, true).await
            }
        };
        if let Some(Err(error)) = stop.run_until_cancelled(served).await {
            debug!(%error, "connection ended");
        }
    }

    async fn http1<S>(
        self,
        stream: S,
        peer: Peer,
        limits: ConnectionLimits,
        secure: bool,
    ) -> Result<(), ConnectionError>
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let requests = Arc::<Requests>::default();
        let of_connection = Arc::clone(&requests);
        let service = service_fn(move |request| {
            let (listener, peer) = (self.clone(), peer.clone());
            let (number, in_progress) = of_connection.begin();
            let is_last = limits.requests.is_some_and(|last| number >= last);
            async move {
                let mut response = listener.respond(request, &peer, secure).await?;
                if is_last {
                    let close = HeaderValue::from_static("close");
                    response.headers_mut().insert(CONNECTION, close);
                }
                drop(in_progress);
                Ok::<_, Cut>(response)
            }
        });
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        let served = connection::serve(connection, &requests, limits.idle);
        served.await.map_err(Into::into)
    }

    async fn http2(
        self,
        stream: TlsStream<TcpStream>,
        peer: Peer,
        limits: ConnectionLimits,
    ) -> Result<(), ConnectionError> {
        let Some(last) = limits.requests else {
            return self.http2_frames(stream, peer, limits).await;
        };
        let (near, far) = tokio::io::duplex(FRAMES_IN_BETWEEN);
        let relayed = goaway::relay(stream, far, last);
        let served = self.http2_frames(near, peer, limits);
        let (relayed, served) = tokio::join!(relayed, served);
        relayed?;
        served
    }

    async fn http2_frames<S>(
        self,
        stream: S,
        peer: Peer,
        limits: ConnectionLimits,
    ) -> Result<(), ConnectionError>
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let requests = Arc::<Requests>::default();
        let of_connection = Arc::clone(&requests);
        let service = service_fn(move |request| {
            let (listener, peer) = (self.clone(), peer.clone());
            let (_, in_progress) = of_connection.begin();
            async move {
                let response = listener.respond(request, &peer, true).await;
                drop(in_progress);
                response
            }
        });
        let builder = http2::Builder::new(TokioExecutor::new());
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        let served = connection::serve(connection, &requests, limits.idle);
        served.await.map_err(Into::into)
    }

    async fn respond(
        &self,
        request: Request<Incoming>,
        peer: &Peer,
        secure: bool,
    ) -> Result<Response<Body>, Cut> {
        let (head, body) = request.into_parts();
        let Ok(body) = Limited::new(body, LARGEST_BODY).collect().await else {
            return Ok(write(HttpResponse::page(413)));
        };
        let http = HttpRequest {
            method: head.method,
            headers: with_host(head.headers, &head.uri),
            uri: head.uri,
            body: body.to_bytes(),
            listener: self.address,
            peer: peer.address,
            secure,
        };
        if control::is_address(http.uri.path()) {
            return Ok(match control::respond(&self.simulator, &http).await {
                Controlled::Response(response) => write(response),
                Controlled::Renamed(response, renamed) => {
                    self.rename(&renamed.portal, renamed.listener, renamed.address);
                    write(response)
                }
                Controlled::Watch(viewer) => watch::stream(viewer),
            });
        }
        let Some(portal) = self.portal(&http) else {
            return Ok(write(HttpResponse::page(404)));
        };
        // In a task of its own, so that a client that disconnects does not stop the portal's work.
        let simulator = Arc::clone(&self.simulator);
        let handled = async move { handler::handle(&simulator, &portal, &http).await };
        let handled = self
            .tasks
            .spawn(self.stop.clone().run_until_cancelled_owned(handled))
            .await;
        match handled.ok().flatten().unwrap_or(Reply::Close) {
            Reply::Response(response) => Ok(write(response)),
            Reply::Close => Err(Cut),
            Reply::Reset => {
                if let Err(error) = peer.socket.set_linger(Some(Duration::ZERO)) {
                    warn!(%error, "the connection is closed instead of reset");
                }
                Err(Cut)
            }
            Reply::Silence => std::future::pending().await,
        }
    }

    /// The portal of the listener, else that of the `Host` header, else the first.
    fn portal(&self, http: &HttpRequest) -> Option<Arc<RunningPortal>> {
        let by_host = || self.simulator.portal(http.header(&HOST)?);
        let portal = self.portal.as_ref().or_else(by_host);
        portal.or_else(|| self.simulator.portals().first()).cloned()
    }
}

/// The headers with the name of the host, which HTTP/2 has in the address instead.
fn with_host(headers: HeaderMap, uri: &Uri) -> HeaderMap {
    let mut headers = headers;
    let host = uri
        .authority()
        .map(|host| HeaderValue::from_str(host.as_str()));
    if let Some(Ok(host)) = host {
        headers.entry(HOST).or_insert(host);
    }
    headers
}
