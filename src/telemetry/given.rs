//! What the settings say of a collector, as values.

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// How the collector is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// OTLP/gRPC.
    Grpc,
    /// Protobuf over HTTP.
    Http,
}

/// Certificates in PEM, at least one.
#[derive(Clone, Debug)]
pub struct Authorities(String);

impl Authorities {
    /// # Errors
    ///
    /// What is wrong, worded to follow the file.
    pub(super) fn from_pem(pem: &str) -> Result<Self, &'static str> {
        let certificates: Result<Vec<_>, _> =
            CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
        match certificates {
            Ok(certificates) if !certificates.is_empty() => Ok(Self(pem.to_owned())),
            Ok(_) | Err(_) => Err("has no certificate in PEM"),
        }
    }

    pub(super) fn as_pem(&self) -> &str {
        &self.0
    }
}

/// An attribute of the resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    pub(super) name: String,
    pub(super) value: String,
}

impl Attribute {
    /// From `name=value`.
    ///
    /// # Errors
    ///
    /// What is wrong, worded to follow the place.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let (name, value) = text
            .split_once('=')
            .ok_or("has no `=`: give name and value")?;
        let (name, value) = (name.trim(), value.trim());
        if name.is_empty() || value.is_empty() {
            return Err("lacks a name or a value: give both");
        }
        Ok(Self {
            name: name.to_owned(),
            value: value.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_are_certificates() {
        assert!(Authorities::from_pem("").is_err());
        assert!(Authorities::from_pem("not PEM").is_err());
        let key = rcgen::KeyPair::generate().unwrap();
        assert!(Authorities::from_pem(&key.serialize_pem()).is_err());
        let certificate = rcgen::CertificateParams::new(["collector".to_owned()]).unwrap();
        let certificate = certificate.self_signed(&key).unwrap();
        assert!(Authorities::from_pem(&certificate.pem()).is_ok());
    }

    #[test]
    fn an_attribute_has_a_name_and_a_value() {
        for wrong in ["", "name", "=value", "name=", " = "] {
            assert!(Attribute::parse(wrong).is_err(), "{wrong}");
        }
        let attribute = Attribute::parse("a=b=c").unwrap();
        assert_eq!((&*attribute.name, &*attribute.value), ("a", "b=c"));
    }
}
