//! Certificates that the operator trusts beside those of the system's authorities.

use std::fmt;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::ParsedCertificate;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::host_name::{HostName, InvalidHostName};

/// Certificates of authorities, for example a company's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authorities(Vec<CertificateDer<'static>>);

/// Why a text holds no certificates of authorities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidAuthorities {
    /// Not PEM, or not a single certificate in it.
    #[error("has no certificate in PEM")]
    NoCertificate,
    /// A certificate that cannot be an authority's.
    #[error("has a certificate that cannot be used as an authority's")]
    Unusable,
}

impl Authorities {
    /// Reads one certificate or several, in PEM.
    ///
    /// # Errors
    ///
    /// [`InvalidAuthorities`].
    pub fn from_pem(text: &str) -> Result<Self, InvalidAuthorities> {
        let certificates = CertificateDer::pem_slice_iter(text.as_bytes());
        let certificates: Vec<_> = certificates
            .collect::<Result<_, _>>()
            .map_err(|_| InvalidAuthorities::NoCertificate)?;
        if certificates.is_empty() {
            return Err(InvalidAuthorities::NoCertificate);
        }
        let mut roots = RootCertStore::empty();
        for certificate in &certificates {
            let added = roots.add(certificate.clone());
            added.map_err(|_| InvalidAuthorities::Unusable)?;
        }
        Ok(Self(certificates))
    }

    pub(crate) fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.0
    }
}

/// The fingerprint of a certificate that a host presents: a certificate that nobody issued, or that
/// of an authority, is trusted too.
///
/// Written `crm.acme.example=SHA256`: the SHA-256 of the certificate or of its public key (SPKI) in
/// hexadecimal, with or without colons. Names and dates of the certificate are not checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificatePin {
    host: HostName,
    sha256: [u8; 32],
}

/// Why a text is not a [`CertificatePin`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidPin {
    /// No `=`.
    #[error("has no =; give HOST=SHA256")]
    NoFingerprint,
    /// What stands before the `=` is not a host name.
    #[error("{0}")]
    Host(#[from] InvalidHostName),
    /// What stands after the `=` is not 64 hexadecimal digits.
    #[error(
        "has no SHA-256 after the =; give 64 hexadecimal digits, as `openssl x509 -noout \
         -fingerprint -sha256` prints them"
    )]
    Fingerprint,
}

impl CertificatePin {
    /// Reads `HOST=SHA256`.
    ///
    /// # Errors
    ///
    /// [`InvalidPin`].
    pub fn parse(text: &str) -> Result<Self, InvalidPin> {
        let (host, fingerprint) = text.split_once('=').ok_or(InvalidPin::NoFingerprint)?;
        let host = HostName::parse(host)?;
        let digits: String = fingerprint.chars().filter(|digit| *digit != ':').collect();
        if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(InvalidPin::Fingerprint);
        }
        let mut sha256 = [0; 32];
        for (index, byte) in sha256.iter_mut().enumerate() {
            let digits = digits.get(2 * index..2 * index + 2).unwrap_or_default();
            *byte = u8::from_str_radix(digits, 16).map_err(|_| InvalidPin::Fingerprint)?;
        }
        Ok(Self { host, sha256 })
    }

    /// The host that presents it.
    pub fn host(&self) -> &HostName {
        &self.host
    }

    /// Whether it is this certificate, or has this public key.
    pub(crate) fn matches(&self, certificate: &CertificateDer<'_>) -> bool {
        let is = |bytes: &[u8]| Sha256::digest(bytes).as_slice() == self.sha256;
        is(certificate)
            || ParsedCertificate::try_from(certificate)
                .is_ok_and(|parsed| is(&parsed.subject_public_key_info()))
    }
}

impl fmt::Display for CertificatePin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=", self.host)?;
        self.sha256
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_read_with_and_without_colons() {
        let digits = "ab".repeat(32);
        let colons = vec!["AB"; 32].join(":");
        for fingerprint in [&digits, &colons] {
            let pin = CertificatePin::parse(&format!("crm.acme.example={fingerprint}")).unwrap();
            assert_eq!(pin.to_string(), format!("crm.acme.example={digits}"));
        }
    }

    #[test]
    fn other_texts_are_not_pins() {
        let digits = "ab".repeat(32);
        for (text, expected) in [
            ("crm.acme.example".to_owned(), InvalidPin::NoFingerprint),
            (
                format!("crm={digits}"),
                InvalidPin::Host(InvalidHostName::SingleLabel),
            ),
            (
                format!("crm.acme.example:8443={digits}"),
                InvalidPin::Host(InvalidHostName::Port),
            ),
            ("crm.acme.example=".to_owned(), InvalidPin::Fingerprint),
            (
                format!("crm.acme.example={digits}0"),
                InvalidPin::Fingerprint,
            ),
            (
                format!("crm.acme.example={}", "zz".repeat(32)),
                InvalidPin::Fingerprint,
            ),
        ] {
            assert_eq!(CertificatePin::parse(&text), Err(expected), "{text}");
        }
    }

    #[test]
    fn a_text_without_certificates_has_no_authorities() {
        for text in [
            "",
            "x",
            "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
        ] {
            assert_eq!(
                Authorities::from_pem(text),
                Err(InvalidAuthorities::NoCertificate),
                "{text}"
            );
        }
        let empty = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let read = Authorities::from_pem(empty);
        assert_eq!(read, Err(InvalidAuthorities::Unusable));
    }
}
