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
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tower_service::Service;

use super::TransportUnusable;
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
    proxy: Option<(ForwardProxy, Tunnel<HttpConnector<GuardedResolver>>)>,
    tls: TlsConnector,
    timeout: Duration,
    tally: Arc<Tally>,
    /// While more are open, none is kept without a request.
    kept: usize,
}

/// A connection that has carried no request.
pub(super) enum Opened {
    Http1(Box<Http1>),
    Http2(http2::SendRequest<Bytes>, Box<Http2Connection>, Tallied),
}

/// What reads and writes for all requests of a connection.
pub(super) type Http2Connection = http2::Connection<TlsStream<Lingering>, Bytes>;

impl Connector {
    /// # Errors
    ///
    /// [`TransportUnusable::Proxy`].
    pub(super) fn new(
        resolver: GuardedResolver,
        tls: ClientConfig,
        proxy: Option<ForwardProxy>,
        timeout: Duration,
    ) -> Result<Self, TransportUnusable> {
        let mut tcp = HttpConnector::new_with_resolver(resolver);
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(timeout));
        tcp.set_keepalive(Some(KEEPALIVE));
        tcp.set_keepalive_interval(Some(KEEPALIVE));
        tcp.set_keepalive_retries(Some(KEEPALIVE_RETRIES));
        #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
        tcp.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
        let proxy = match proxy {
            Some(proxy) => {
                let address = Uri::try_from(proxy.address());
                let address = address.map_err(|_| TransportUnusable::Proxy)?;
                let tunnel = Tunnel::new(address, tcp.clone());
                let tunnel = match proxy.authorization() {
                    Some(authorization) => tunnel.with_auth(authorization),
                    None => tunnel,
                };
                Some((proxy, tunnel))
            }
            None => None,
        };
        Ok(Self {
            tcp,
            proxy,
            tls: TlsConnector::from(Arc::new(tls)),
            timeout,
            tally: Arc::default(),
            kept: usize::MAX,
        })
    }

    /// The connections that are open now.
    pub(super) fn connections(&self) -> Connections {
        self.tally.connections()
    }

    /// The same, whose connections are kept while no more than so many are open.
    pub(super) fn keeping(self, kept: usize) -> Self {
        Self { kept, ..self }
    }

    /// Whether so many connections are open that none should be kept without a request.
    pub(super) fn is_crowded(&self) -> bool {
        let Connections { in_use, idle } = self.tally.connections();
        in_use + idle > self.kept
    }

    /// Whether connections to this target go through the proxy.
    pub(super) fn is_proxied(&self, target: &Target) -> bool {
        self.tunnel(target).is_some()
    }

    /// The tunnel through which this target is called.
    fn tunnel(&self, target: &Target) -> Option<&Tunnel<HttpConnector<GuardedResolver>>> {
        let (proxy, tunnel) = self.proxy.as_ref()?;
        proxy.serves(target.origin()).then_some(tunnel)
    }

    /// Opens a connection.
    ///
    /// # Errors
    ///
    /// [`NotSent::AddressForbidden`] and [`NotSent::Unreachable`].
    pub(super) async fn open(&self, target: &Target) -> Result<Opened, NotSent> {
        // Never in plain text: requests carry secrets.
        let name = match target.server_name() {
            None if target.is_tls() => return Err(NotSent::Unreachable(Obstacle::Tls)),
            name => name,
        };
        let is_proxied = self.is_proxied(target);
        match tokio::time::timeout(self.timeout, self.connect(target, name)).await {
            Ok(opened) => opened.map_err(|error| failure::of_connecting(&*error, is_proxied)),
            Err(_) if is_proxied => Err(NotSent::Unreachable(Obstacle::Proxy)),
            Err(_) => Err(NotSent::Unreachable(Obstacle::Timeout)),
        }
    }

    /// With TLS, the certificate has to be for `name`.
    async fn connect(
        &self,
        target: &Target,
        name: Option<ServerName<'static>>,
    ) -> Result<Opened, Box<dyn Error + Send + Sync>> {
        // Never past the proxy: the operator's network may depend on it.
        let stream = match self.tunnel(target) {
            Some(tunnel) => tunnel.clone().call(target.address()).await?,
            None => self.tcp.clone().call(target.address()).await?,
        };
        let stream = Lingering::new(TokioIo::<TcpStream>::into_inner(stream));
        let Some(name) = name else {
            return Ok(Opened::Http1(
                Http1::over(Box::new(stream), self.tally.open()).await?,
            ));
        };
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::super::testing;
    use super::*;
    use crate::origin::Origin;

    const LONG: Duration = Duration::from_secs(20);

    /// A socket that takes connections, and its port.
    async fn listener() -> (TcpListener, u16) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        (listener, port)
    }

    /// Whether nobody has connected.
    fn is_untouched(listener: TcpListener) -> bool {
        let listener = listener.into_std().unwrap();
        let accepted = listener.accept().map(drop).map_err(|error| error.kind());
        accepted == Err(std::io::ErrorKind::WouldBlock)
    }

    /// Why no connection to this authority over TLS comes about.
    async fn refused(connector: &Connector, authority: &str) -> NotSent {
        let target = Target::new(Origin::secure(authority)).unwrap();
        connector.open(&target).await.err().unwrap()
    }

    #[tokio::test]
    async fn a_portal_that_no_certificate_can_be_for_is_not_even_dialled() {
        let (listener, port) = listener().await;
        let proxy = format!("http://127.0.0.1:{port}");
        let connector = testing::connector(Some(&proxy), LONG);
        let refused = refused(&connector, "acme..example").await;
        assert_eq!(refused, NotSent::Unreachable(Obstacle::Tls));
        assert!(is_untouched(listener));
    }

    #[tokio::test]
    async fn nothing_goes_past_a_proxy_that_is_away() {
        let (target, port) = listener().await;
        // Nobody listens on the first port.
        let connector = testing::connector(Some("http://127.0.0.1:1"), LONG);
        let refused = refused(&connector, &format!("localhost:{port}")).await;
        assert_eq!(refused, NotSent::Unreachable(Obstacle::Proxy));
        assert!(is_untouched(target));
    }

    #[tokio::test]
    async fn a_proxy_that_opens_no_tunnel_gets_nothing_but_the_request_for_it() {
        let head_without_end = format!("HTTP/1.1 200 OK\r\nx: {}", "x".repeat(100_000));
        for answer in [
            "",
            "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
            "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 301 Moved Permanently\r\nlocation: http://acme.example/\r\n\r\n",
            "HTTP/1.1 20",
            "SSH-2.0-OpenSSH_10.0\r\n",
            &head_without_end,
        ] {
            let (target, port) = listener().await;
            let (listener, proxy) = listener().await;
            let connector = testing::connector(Some(&format!("http://127.0.0.1:{proxy}")), LONG);
            let authority = format!("localhost:{port}");
            let proxy = async {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut received = [0; 8_192];
                let mut length = 0;
                while !received[..length].ends_with(b"\r\n\r\n") {
                    length += stream.read(&mut received[length..]).await.unwrap();
                }
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
                let mut more = Vec::new();
                let _ = stream.read_to_end(&mut more).await;
                more
            };
            let (refused, more) = tokio::join!(refused(&connector, &authority), proxy);
            assert_eq!(
                refused,
                NotSent::Unreachable(Obstacle::Proxy),
                "{answer:.40}"
            );
            assert_eq!(more, b"", "{answer:.40}");
            assert!(is_untouched(target), "{answer:.40}");
        }
    }

    #[tokio::test]
    async fn a_proxy_that_says_nothing_is_waited_for_as_long_as_for_any_connection() {
        let (_target, port) = listener().await;
        let (_silent, proxy) = listener().await;
        let proxy = format!("http://127.0.0.1:{proxy}");
        let connector = testing::connector(Some(&proxy), Duration::from_millis(50));
        let refused = refused(&connector, &format!("localhost:{port}")).await;
        assert_eq!(refused, NotSent::Unreachable(Obstacle::Proxy));
    }
}
