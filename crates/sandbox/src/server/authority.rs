//! A certificate of an authority that nobody knows, as companies have for their own portals.

use std::io;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
};

use super::tls::Identity;

/// An identity with the authority that issued it.
#[derive(Debug)]
pub struct OwnAuthority {
    /// What the simulator presents.
    pub identity: Identity,
    /// The certificate of the authority as PEM, for clients that shall trust it.
    pub authority: String,
}

impl OwnAuthority {
    /// A new authority, and a certificate of it for these host names and IP addresses.
    ///
    /// # Errors
    ///
    /// When a name is not one of a host.
    pub fn issue(names: Vec<String>) -> io::Result<Self> {
        let issued = || -> Result<(String, String, String), rcgen::Error> {
            let mut params = CertificateParams::new(Vec::<String>::new())?;
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
            params
                .distinguished_name
                .push(DnType::CommonName, "Sandbox authority");
            let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
            let key = KeyPair::generate()?;
            let certificate = CertificateParams::new(names)?.signed_by(&key, &issuer)?;
            Ok((issuer.pem(), certificate.pem(), key.serialize_pem()))
        };
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidInput, error);
        let (authority, certificate, key) = issued().map_err(invalid)?;
        Ok(Self {
            identity: Identity::from_pem(certificate.as_bytes(), key.as_bytes())?,
            authority,
        })
    }
}
