//! One TCP connection: reads whole requests, writes answers, and cuts the connection where a fault asks.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, LOCATION};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use socket2::{SockRef, Socket};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info, warn};

use super::control;
use super::reply::{Reply, Written};
use super::tls::Identity;
use super::world::{Arrived, Place, World};

/// How long accepting pauses when the machine has no more sockets to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Largest request body in bytes; far above what any client of the three methods sends.
const LARGEST_BODY: usize = 64 * 1024 * 1024;

/// The connection ends here, without an answer or in the middle of one.
#[derive(Debug, thiserror::Error)]
#[error("the connection is cut by a fault")]
pub(super) struct Cut;

type Body = UnsyncBoxBody<Bytes, Cut>;

/// Why a connection ended; it is only logged.
type Ended = Box<dyn std::error::Error + Send + Sync>;

/// The two ends of one connection.
#[derive(Clone, Debug)]
struct Peer {
    /// A second handle on the socket, to switch a clean close into a reset.
    socket: Arc<Socket>,
    address: Option<IpAddr>,
}

/// What the connections of one listener share.
#[derive(Clone, Debug)]
pub(super) struct Listening {
    pub(super) world: Arc<World>,
    /// The address of the listener.
    pub(super) address: SocketAddr,
    /// The portal that this listener belongs to. `None`: the `Host` header chooses.
    pub(super) place: Option<Arc<Place>>,
    /// The certificate for clients that speak TLS; the others are answered in plain text all the same.
    pub(super) identity: Option<Identity>,
    pub(super) tasks: TaskTracker,
    pub(super) stop: CancellationToken,
}

impl Listening {
    /// Accepts connections until the simulator stops.
    pub(super) fn start(self, listener: TcpListener) {
        let (tasks, stop) = (self.tasks.clone(), self.stop.clone());
        let accepting = async move {
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => {
                        self.tasks.spawn(self.clone().serve(stream));
                    }
                    Err(error) => {
                        warn!(%error, "a connection could not be accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        };
        tasks.spawn(stop.run_until_cancelled_owned(accepting));
    }

    /// Renames a portal: it answers on this listener only.
    pub(super) fn rename(
        &self,
        listener: TcpListener,
        place: &Arc<Place>,
    ) -> io::Result<SocketAddr> {
        let address = listener.local_addr()?;
        let listening = Self {
            address,
            place: Some(Arc::clone(place)),
            ..self.clone()
        };
        listening.start(listener);
        place.rename(address);
        info!(%address, host = place.host, "sandbox portal was renamed");
        Ok(address)
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
        let from = Peer {
            socket,
            address: stream.peer_addr().ok().map(|peer| peer.ip()),
        };
        let served = async move {
            let identity = match &self.identity {
                Some(identity) if Identity::is_wanted(&stream).await? => Some(identity.clone()),
                _ => None,
            };
            match identity {
                Some(identity) => self.http(identity.accept(stream).await?, from, true).await,
                None => self.http(stream, from, false).await,
            }
        };
        if let Some(Err(error)) = stop.run_until_cancelled(served).await {
            debug!(%error, "connection ended");
        }
    }

    /// Answers the requests that come over an open connection.
    async fn http<S>(self, stream: S, from: Peer, secure: bool) -> Result<(), Ended>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let service = service_fn(move |request| {
            let (listening, from) = (self.clone(), from.clone());
            async move { listening.respond(request, &from, secure).await }
        });
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        connection.await.map_err(Into::into)
    }

    async fn respond(
        &self,
        request: Request<Incoming>,
        from: &Peer,
        secure: bool,
    ) -> Result<Response<Body>, Cut> {
        let (head, body) = request.into_parts();
        let Ok(body) = Limited::new(body, LARGEST_BODY).collect().await else {
            return Ok(response(Written::page(
                StatusCode::PAYLOAD_TOO_LARGE.as_u16(),
            )));
        };
        let arrived = Arrived {
            method: head.method,
            uri: head.uri,
            headers: head.headers,
            body: body.to_bytes(),
            at: self.address,
            peer: from.address,
            secure,
        };
        if arrived.uri.path().starts_with(control::PREFIX) {
            return Ok(response(control::answer(self, &arrived).await));
        }
        let Some(place) = self.place(&arrived) else {
            return Ok(response(Written::page(StatusCode::NOT_FOUND.as_u16())));
        };
        // In a task of its own, so that a client that leaves does not stop what the portal began.
        let world = Arc::clone(&self.world);
        let handled = async move { world.handle(&place, &arrived).await };
        let handled = self
            .tasks
            .spawn(self.stop.clone().run_until_cancelled_owned(handled))
            .await;
        match handled.ok().flatten().unwrap_or(Reply::Close) {
            Reply::Written(written) => Ok(response(written)),
            Reply::Close => Err(Cut),
            Reply::Reset => {
                if let Err(error) = from.socket.set_linger(Some(Duration::ZERO)) {
                    warn!(%error, "the connection is closed instead of reset");
                }
                Err(Cut)
            }
            Reply::Silence => std::future::pending().await,
        }
    }

    /// The portal that a request is for: that of the listener, that of the `Host` header, or the first.
    fn place(&self, arrived: &Arrived) -> Option<Arc<Place>> {
        let host = arrived
            .headers
            .get(HOST)
            .and_then(|host| host.to_str().ok());
        let by_host = || host.and_then(|host| self.world.portal(host));
        self.place
            .as_ref()
            .or_else(by_host)
            .or_else(|| self.world.portals().first())
            .cloned()
    }
}

fn response(written: Written) -> Response<Body> {
    let whole = written.body.len();
    let body = match written.sent {
        None => Full::new(written.body)
            .map_err(|never: Infallible| match never {})
            .boxed_unsync(),
        Some(sent) => cut_after(written.body.slice(..sent.min(whole))),
    };
    let mut response = Response::new(body);
    *response.status_mut() =
        StatusCode::from_u16(written.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = [
        (CONTENT_TYPE, Some(written.content_type)),
        (LOCATION, written.location),
        (CONTENT_LENGTH, Some(whole.to_string())),
    ];
    for (name, value) in headers {
        if let Some(value) = value {
            insert(&mut response, name, &value);
        }
    }
    response
}

fn insert(response: &mut Response<Body>, name: HeaderName, value: &str) {
    match HeaderValue::from_str(value) {
        Ok(value) => {
            response.headers_mut().insert(name, value);
        }
        // Without the value: a redirect's may hold a webhook's secret.
        Err(error) => warn!(%name, %error, "the header is left out"),
    }
}

/// A body that breaks the connection after these bytes.
fn cut_after(bytes: Bytes) -> Body {
    let start = stream::once(async { Ok(Frame::data(bytes)) });
    let end = stream::once(async {
        // One turn of the loop, in which what was written so far leaves.
        tokio::task::yield_now().await;
        Err(Cut)
    });
    StreamBody::new(start.chain(end)).boxed_unsync()
}
