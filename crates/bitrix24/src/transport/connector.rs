//! Opens connections: name, address guard, proxy, TLS, and the protocol that the server chooses.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::client as http2;
use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tower_service::Service;

use super::failure;
use super::http1::Http1;
use super::lingering::Lingering;
use super::resolver::GuardedResolver;
use super::tally::{Connections, Tallied, Tally};
use super::target::Target;
use crate::call_error::{NotSent, Obstacle};
use crate::proxy::ForwardProxy;

/// What tells a dead peer from a slow one, below HTTP.
const KEEPALIVE: Duration = Duration::from_secs(15);
const KEEPALIVE_RETRIES: u32 = 3;
/// How long sent bytes may stay without an acknowledgement.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// How much of all responses, and of one, a server may send before it was read, in bytes.
const CONNECTION_WINDOW: u32 = 5 * 1024 * 1024;
const STREAM_WINDOW: u32 = 2 * 1024 * 1024;
/// The largest head of a response, in bytes.
const MAXIMUM_HEAD: u32 = 16 * 1024;

/// How many requests are sent at once before the server has said how many it takes. One that is
/// refused may have been processed behind a proxy, so none should be.
const FIRST_STREAMS: usize = 1;

/// Opens connections to any portal.
pub(super) struct Connector {
    tcp: HttpConnector<GuardedResolver>,
    tunnel: Option<Tunnel<HttpConnector<GuardedResolver>>>,
    proxy: Option<ForwardProxy>,
    tls: TlsConnector,
    timeout: Duration,
    tally: Arc<Tally>,
}

/// A connection that has carried no request.
pub(super) enum Opened {
    Http1(Box<Http1>),
    Http2(http2::SendRequest<Bytes>, Box<Http2Connection>, Tallied),
}

/// What reads and writes for all requests of a connection.
pub(super) type Http2Connection = http2::Connection<TlsStream<Lingering>, Bytes>;

impl Connector {
    pub(super) fn new(
        resolver: GuardedResolver,
        tls: ClientConfig,
        proxy: Option<ForwardProxy>,
        timeout: Duration,
    ) -> Self {
        let mut tcp = HttpConnector::new_with_resolver(resolver);
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(timeout));
        tcp.set_keepalive(Some(KEEPALIVE));
        tcp.set_keepalive_interval(Some(KEEPALIVE));
        tcp.set_keepalive_retries(Some(KEEPALIVE_RETRIES));
        #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
        tcp.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
        let tunnel = proxy.as_ref().and_then(|proxy| {
            let address = Uri::try_from(proxy.address()).ok()?;
            let tunnel = Tunnel::new(address, tcp.clone());
            Some(match proxy.authorization() {
                Some(authorization) => tunnel.with_auth(authorization),
                None => tunnel,
            })
        });
        Self {
            tcp,
            tunnel,
            proxy,
            tls: TlsConnector::from(Arc::new(tls)),
            timeout,
            tally: Arc::default(),
        }
    }

    /// The connections that are open now.
    pub(super) fn connections(&self) -> Connections {
        self.tally.connections()
    }

    /// Whether connections to this target go through the proxy.
    pub(super) fn is_proxied(&self, target: &Target) -> bool {
        let mut proxy = self.proxy.iter();
        proxy.any(|proxy| proxy.serves(target.origin()))
    }

    /// Opens a connection.
    ///
    /// # Errors
    ///
    /// [`NotSent::AddressForbidden`] and [`NotSent::Unreachable`].
    pub(super) async fn open(&self, target: &Target) -> Result<Opened, NotSent> {
        let is_proxied = self.is_proxied(target);
        match tokio::time::timeout(self.timeout, self.connect(target, is_proxied)).await {
            Ok(opened) => opened.map_err(|error| failure::of_connecting(&*error, is_proxied)),
            Err(_) if is_proxied => Err(NotSent::Unreachable(Obstacle::Proxy)),
            Err(_) => Err(NotSent::Unreachable(Obstacle::Timeout)),
        }
    }

    async fn connect(
        &self,
        target: &Target,
        is_proxied: bool,
    ) -> Result<Opened, Box<dyn Error + Send + Sync>> {
        let stream = if is_proxied {
            // Never past the proxy: the operator's network may depend on it.
            let tunnel = self.tunnel.clone();
            let mut tunnel = tunnel.ok_or("the proxy has no usable address")?;
            tunnel.call(target.address()).await?
        } else {
            self.tcp.clone().call(target.address()).await?
        };
        let stream = Lingering::new(TokioIo::<TcpStream>::into_inner(stream));
        if !target.is_tls() {
            return Ok(Opened::Http1(
                Http1::over(Box::new(stream), self.tally.open()).await?,
            ));
        }
        // Never in plain text: requests carry secrets.
        let name = target.server_name().ok_or("no certificate can be for it")?;
        let stream = self.tls.connect(name, stream).await?;
        if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
            return Ok(Opened::Http1(
                Http1::over(Box::new(stream), self.tally.open()).await?,
            ));
        }
        let mut settings = http2::Builder::new();
        settings
            .enable_push(false)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(MAXIMUM_HEAD)
            .initial_max_send_streams(FIRST_STREAMS);
        let (sender, connection) = settings.handshake(stream).await?;
        let tallied = self.tally.open();
        Ok(Opened::Http2(sender, Box::new(connection), tallied))
    }
}
