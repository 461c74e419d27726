//! TLS on the listener.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::{self, ServerConfig};
use tokio_rustls::server::TlsStream;

use super::ServeError;

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// The one protocol that gRPC speaks (RFC 9113, section 3.2).
const HTTP2: &[u8] = b"h2";

/// Takes connections over TLS. Cheap to clone.
#[derive(Clone)]
pub(super) struct Tls(TlsAcceptor);

/// Why certificate and key do not make a TLS server.
#[derive(Debug, thiserror::Error)]
pub enum TlsFault {
    /// Not PEM, or nothing of the right kind in it.
    #[error(transparent)]
    Pem(#[from] pem::Error),
    /// They cannot be used, or do not belong together.
    #[error(transparent)]
    Unusable(#[from] rustls::Error),
}

impl Tls {
    /// Reads the certificate chain and the private key.
    pub(super) fn read((certificate, key): (&Path, &Path)) -> Result<Self, ServeError> {
        let chain = read(certificate)?;
        let key = read(key)?;
        Ok(Self::from_pem(&chain, &key)?)
    }

    fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, TlsFault> {
        let chain = CertificateDer::pem_slice_iter(chain).collect::<Result<_, _>>()?;
        let key = PrivateKeyDer::from_pem_slice(key)?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![HTTP2.to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    /// Shakes hands.
    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        tokio::time::timeout(HANDSHAKE, self.0.accept(stream)).await?
    }
}

fn read(path: &Path) -> Result<Vec<u8>, ServeError> {
    std::fs::read(path).map_err(|source| ServeError::TlsFile {
        path: path.to_owned(),
        source,
    })
}
