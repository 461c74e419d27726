//! What the files of `server.tls` hold.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem};
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use tokio_rustls::rustls::{self, RootCertStore, ServerConfig};
use x509_parser::error::X509Error;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::settings::{ClientCertificates, TlsFiles};

/// The protocol of gRPC (RFC 9113, section 3.2).
const HTTP2: &[u8] = b"h2";

/// The files, read and found to belong together.
pub(super) struct Loaded {
    pub(super) config: Arc<ServerConfig>,
    /// When a certificate expires, in seconds since 1970, by its name in the metrics.
    pub(super) expiries: Vec<(&'static str, i64)>,
}

/// Certificates and key cannot be used.
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
    /// A certificate that cannot be read.
    #[error("{UNUSABLE}")]
    Certificate(#[from] x509_parser::nom::Err<X509Error>),
    /// The certificates of client authorities.
    #[error(
        "server.tls.client_ca_file cannot be used; give the certificates of the authorities in PEM"
    )]
    ClientCa(#[source] Box<dyn std::error::Error + Send + Sync>),
}

const UNUSABLE: &str = "server.tls.certificate_file and server.tls.private_key_file cannot be used; \
    give a certificate chain and its private key, both in PEM";

impl TlsFiles {
    pub(super) fn all(&self) -> impl Iterator<Item = &Path> {
        let own = [&self.certificate, &self.private_key];
        own.into_iter().chain(&self.client_ca).map(PathBuf::as_path)
    }

    /// Reads the files.
    ///
    /// # Errors
    ///
    /// [`TlsError`].
    pub(super) fn load(&self) -> Result<Loaded, TlsError> {
        let chain = read(&self.certificate)?;
        let chain = CertificateDer::pem_slice_iter(&chain).collect::<Result<Vec<_>, _>>()?;
        let key = PrivateKeyDer::from_pem_slice(&read(&self.private_key)?)?;
        let mut expiries = Vec::new();
        if let Some(own) = chain.first() {
            expiries.push(("server", expiry(own)?));
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        // TLS 1.3 and 1.2. Of 1.2 the library knows suites with forward secrecy and AEAD only.
        let builder =
            ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let builder = match &self.client_ca {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let authorities = read(path)?;
                let (verifier, first) = self.verifier(&authorities).map_err(TlsError::ClientCa)?;
                expiries.push(("client_ca", first));
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder.with_single_cert(chain, key)?;
        config.alpn_protocols = vec![HTTP2.to_vec()];
        // What protects 1.2 from a peer that relays handshakes (RFC 7627).
        config.require_ems = true;
        Ok(Loaded {
            config: Arc::new(config),
            expiries,
        })
    }

    /// Judges client certificates; with the first time at which an authority expires.
    fn verifier(
        &self,
        authorities: &[u8],
    ) -> Result<(Arc<dyn ClientCertVerifier>, i64), Box<dyn std::error::Error + Send + Sync>> {
        let mut roots = RootCertStore::empty();
        let mut first = i64::MAX;
        for authority in CertificateDer::pem_slice_iter(authorities) {
            let authority = authority?;
            first = first.min(expiry(&authority)?);
            roots.add(authority)?;
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let verifier = match self.client_certificates {
            ClientCertificates::Required => verifier,
            ClientCertificates::Optional => verifier.allow_unauthenticated(),
        };
        let verifier = verifier
            .build()
            .map_err(|error: VerifierBuilderError| error)?;
        Ok((verifier, first))
    }
}

/// When a certificate expires, in seconds since 1970.
fn expiry(certificate: &[u8]) -> Result<i64, x509_parser::nom::Err<X509Error>> {
    let (_, certificate) = X509Certificate::from_der(certificate)?;
    Ok(certificate.validity().not_after.timestamp())
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::File {
        path: path.to_owned(),
        source,
    })
}
