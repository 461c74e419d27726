//! Which certificates of portals and authorization servers are trusted.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use super::TransportUnusable;
use crate::certificates::{Authorities, CertificatePin};

/// The TLS settings of all connections: the system's authorities and `authorities`, or a pin of the
/// host.
pub(super) fn tls(
    authorities: &Authorities,
    pins: Vec<CertificatePin>,
) -> Result<ClientConfig, TransportUnusable> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Verifier::new(authorities, pins, Arc::clone(&provider))?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TransportUnusable::Tls)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = config.with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// Trusts the certificates that authorities issued, except that a host with pins must present one
/// of them, whoever issued it.
#[derive(Debug)]
struct Verifier {
    issued: Arc<WebPkiServerVerifier>,
    pins: HashMap<String, Vec<CertificatePin>>,
}

impl Verifier {
    fn new(
        authorities: &Authorities,
        pins: Vec<CertificatePin>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, TransportUnusable> {
        let mut roots = RootCertStore::empty();
        // Systems keep a few that cannot be read; the others are enough.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        for authority in authorities.certificates() {
            roots
                .add(authority.clone())
                .map_err(TransportUnusable::Tls)?;
        }
        let issued = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
        let mut by_host = HashMap::<String, Vec<CertificatePin>>::new();
        for pin in pins {
            let of_host = by_host.entry(pin.host().to_string()).or_default();
            of_host.push(pin);
        }
        Ok(Self {
            issued: issued.map_err(|_| TransportUnusable::NoAuthorities)?,
            pins: by_host,
        })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let pins = if let ServerName::DnsName(name) = server_name {
            self.pins.get(name.as_ref())
        } else {
            None
        };
        match pins {
            Some(pins) if pins.iter().any(|pin| pin.matches(end_entity)) => {
                Ok(ServerCertVerified::assertion())
            }
            Some(_) => Err(CertificateError::ApplicationVerificationFailure.into()),
            None => self.issued.verify_server_cert(
                end_entity,
                intermediates,
                server_name,
                ocsp_response,
                now,
            ),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.issued.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.issued.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.issued.supported_verify_schemes()
    }
}
