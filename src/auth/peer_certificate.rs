//! A client's certificate, as far as it says who calls.

use std::sync::Arc;

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use super::expiry::Moment;

/// The leaf certificate that a client has proven to hold, in the handshake that verified its chain.
/// Made once for each connection; cheap to clone.
#[derive(Clone, Debug)]
pub struct PeerCertificate(Arc<Facts>);

#[derive(Debug)]
struct Facts {
    uri: Option<Box<str>>,
    ends: Moment,
}

impl PeerCertificate {
    /// A certificate in DER that TLS has verified. One that cannot be read names nobody.
    pub fn verified(der: &[u8]) -> Self {
        let facts = match X509Certificate::from_der(der) {
            Ok((_, certificate)) => Facts {
                uri: only_uri(&certificate),
                ends: Moment(certificate.validity().not_after.timestamp()),
            },
            Err(_) => Facts {
                uri: None,
                ends: Moment(0),
            },
        };
        Self(Arc::new(facts))
    }

    /// The only URI among its subject alternative names: a SPIFFE id, for example. `None` if it has
    /// none, or several, of which no one could say which one is meant. Common names never count.
    pub(super) fn uri(&self) -> Option<&str> {
        self.0.uri.as_deref()
    }

    /// The end of its validity. A connection may live longer.
    pub(super) fn ends(&self) -> Moment {
        self.0.ends
    }
}

fn only_uri(certificate: &X509Certificate<'_>) -> Option<Box<str>> {
    let names = certificate.subject_alternative_name().ok()??;
    let mut uris = names.value.general_names.iter().filter_map(|name| {
        if let GeneralName::URI(uri) = name {
            Some(*uri)
        } else {
            None
        }
    });
    match (uris.next(), uris.next()) {
        (Some(uri), None) => Some(uri.into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, SanType, string};

    use super::PeerCertificate;

    fn parsed(names: Vec<SanType>) -> PeerCertificate {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names;
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        PeerCertificate::verified(certificate.der())
    }

    fn uri(text: &str) -> SanType {
        SanType::URI(string::Ia5String::try_from(text).unwrap())
    }

    fn name(text: &str) -> SanType {
        SanType::DnsName(string::Ia5String::try_from(text).unwrap())
    }

    #[test]
    fn the_only_uri_counts_and_names_beside_it_do_not() {
        let spiffe = "spiffe://example.org/shop";
        assert_eq!(parsed(vec![uri(spiffe)]).uri(), Some(spiffe));
        let certificate = parsed(vec![name("shop.example.org"), uri(spiffe)]);
        assert_eq!(certificate.uri(), Some(spiffe));
    }

    #[test]
    fn without_a_uri_or_with_two_a_certificate_names_nobody() {
        assert_eq!(parsed(Vec::new()).uri(), None);
        assert_eq!(parsed(vec![name("spiffe://example.org/shop")]).uri(), None);
        let two = vec![uri("spiffe://example.org/a"), uri("spiffe://example.org/b")];
        assert_eq!(parsed(two).uri(), None);
    }

    #[test]
    fn what_is_not_a_certificate_names_nobody() {
        assert_eq!(PeerCertificate::verified(b"").uri(), None);
        assert_eq!(
            PeerCertificate::verified(b"\x30\x03\x02\x01\x01").uri(),
            None
        );
    }
}
