//! Certificates that are made for a test, as files, and connections that trust them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

/// A self-signed certificate and its key, as files.
pub(crate) struct Pair {
    pub(crate) folder: TempDir,
    pub(crate) pem: String,
}

impl Pair {
    pub(crate) fn make() -> Self {
        Self::expiring(2099)
    }

    /// Valid until the begin of a year.
    pub(crate) fn expiring(year: i32) -> Self {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let pair = Self {
            folder: tempfile::tempdir().unwrap(),
            pem: params.self_signed(&key).unwrap().pem(),
        };
        std::fs::write(pair.certificate(), &pair.pem).unwrap();
        std::fs::write(pair.private_key(), key.serialize_pem()).unwrap();
        pair
    }

    /// Takes the place of another pair, one file after the other.
    pub(crate) fn replace(&self, other: &Self) {
        std::fs::copy(self.certificate(), other.certificate()).unwrap();
        std::fs::copy(self.private_key(), other.private_key()).unwrap();
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    pub(crate) fn private_key(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    /// What makes connections to a server with this certificate.
    pub(crate) fn connector(&self) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        TlsConnector::from(Arc::new(config))
    }
}

/// A connection that has completed the handshake and says no more.
///
/// # Errors
///
/// The server ends it before that.
pub(crate) async fn handshake(
    address: SocketAddr,
    connector: &TlsConnector,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    let name = "localhost".try_into().unwrap();
    connector.connect(name, stream).await
}
