//! TLS on the listener.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::{self, ServerConfig};
use tokio_rustls::server::TlsStream;

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// The protocol of gRPC (RFC 9113, section 3.2).
const HTTP2: &[u8] = b"h2";

/// Cheap to clone.
#[derive(Clone)]
pub(super) struct Tls(TlsAcceptor);

/// Certificate and key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("cannot read {}", .path.display())]
    File { path: PathBuf, source: io::Error },
    /// Not PEM, or nothing of the right kind in it.
    #[error("{UNUSABLE}")]
    Pem(#[from] pem::Error),
    /// They do not belong together, or their kind is not supported.
    #[error("{UNUSABLE}")]
    Rejected(#[from] rustls::Error),
}

const UNUSABLE: &str = "server.tls.certificate_file and server.tls.private_key_file cannot be used; \
    give a certificate chain and its private key, both in PEM";

impl Tls {
    /// Reads the certificate chain and the private key.
    pub(super) fn read((certificate, key): (&Path, &Path)) -> Result<Self, TlsError> {
        let chain = read(certificate)?;
        let key = read(key)?;
        Self::from_pem(&chain, &key)
    }

    fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
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

    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        tokio::time::timeout(HANDSHAKE, self.0.accept(stream)).await?
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::File {
        path: path.to_owned(),
        source,
    })
}
