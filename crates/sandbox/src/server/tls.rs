//! HTTPS on the listeners, for clients that require it.

use std::io;
use std::sync::Arc;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::server::TlsStream;

/// First byte of every TLS connection: a handshake record (RFC 8446, section 5.1).
const HANDSHAKE: u8 = 22;

/// The protocols as a handshake names them.
const HTTP1: &[u8] = b"http/1.1";
const HTTP2: &[u8] = b"h2";

/// The certificate of the simulator.
#[derive(Clone)]
pub struct Identity {
    http1: TlsAcceptor,
    /// Offers HTTP/2 too.
    http2: TlsAcceptor,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Identity")
    }
}

impl Identity {
    /// Reads a certificate chain, the own certificate first, and its private key, both as PEM.
    ///
    /// # Errors
    ///
    /// When one of them is unreadable, or when they do not match.
    pub fn from_pem(certificates: &[u8], private_key: &[u8]) -> io::Result<Self> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(certificates)
            .collect::<Result<_, _>>()
            .map_err(invalid)?;
        let key = PrivateKeyDer::from_pem_slice(private_key).map_err(invalid)?;
        let mut config =
            ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .map_err(invalid)?
                .with_no_client_auth()
                .with_single_cert(chain, key)
                .map_err(invalid)?;
        let mut both = config.clone();
        config.alpn_protocols = vec![HTTP1.to_vec()];
        both.alpn_protocols = vec![HTTP2.to_vec(), HTTP1.to_vec()];
        Ok(Self {
            http1: TlsAcceptor::from(Arc::new(config)),
            http2: TlsAcceptor::from(Arc::new(both)),
        })
    }

    /// Whether the client has started a TLS handshake rather than a request in plain text.
    pub(crate) async fn is_wanted(stream: &TcpStream) -> io::Result<bool> {
        let mut first = [0];
        Ok(stream.peek(&mut first).await? > 0 && first == [HANDSHAKE])
    }

    /// Completes the handshake. Returns also whether the client chose HTTP/2, which it can only if
    /// that is offered.
    pub(crate) async fn accept(
        &self,
        stream: TcpStream,
        offers_http2: bool,
    ) -> io::Result<(TlsStream<TcpStream>, bool)> {
        let acceptor = if offers_http2 {
            &self.http2
        } else {
            &self.http1
        };
        let stream = acceptor.accept(stream).await?;
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(HTTP2);
        Ok((stream, is_http2))
    }
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error)
}
