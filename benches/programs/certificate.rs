//! A portal's certificate, in a folder that the processes of a benchmark share.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

const CERTIFICATE: &str = "portal.pem";
const KEY: &str = "portal-key.pem";

/// Makes one for 127.0.0.1, and returns the file of what a client trusts.
pub(crate) fn make(folder: &Path) -> PathBuf {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let certificate = folder.join(CERTIFICATE);
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(folder.join(KEY), made.signing_key.serialize_pem()).unwrap();
    certificate
}

/// Accepts connections with the certificate of this folder, for this protocol of ALPN.
pub(crate) fn acceptor(folder: &Path, protocol: &str) -> TlsAcceptor {
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(&read(CERTIFICATE)).unwrap()],
            PrivateKeyDer::from_pem_slice(&read(KEY)).unwrap(),
        )
        .unwrap();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    TlsAcceptor::from(Arc::new(config))
}
