//! Client certificates.

use rcgen::{CertificateParams, DnType, KeyPair, SanType, string};

use super::{NONE, callers, present_with};
use crate::auth::caller::Credential;
use crate::auth::{Callers, Flaw, NewKey, PeerCertificate, Rejected};

const SHOP: &str = "spiffe://example.org/shop";

fn certificate(uris: &[&str], last_year: i32) -> PeerCertificate {
    let mut params = CertificateParams::default();
    params.not_after = rcgen::date_time_ymd(last_year, 1, 1);
    // Never looked at.
    params.distinguished_name.push(DnType::CommonName, SHOP);
    let uri = |uri: &&str| SanType::URI(string::Ia5String::try_from(*uri).unwrap());
    params.subject_alt_names = uris.iter().map(uri).collect();
    let key = KeyPair::generate().unwrap();
    PeerCertificate::verified(params.self_signed(&key).unwrap().der())
}

fn shop(key: &NewKey) -> Callers {
    callers(&format!(
        "callers:\n- {{name: shop, tenants: [acme], certificates: ['{SHOP}']}}\n\
         - {{name: other, tenants: [acme], keys: ['{}']}}\n",
        key.entry()
    ))
}

#[test]
fn the_whole_uri_of_a_certificate_proves_its_caller() {
    let callers = shop(&NewKey::generate().unwrap());
    let peer = certificate(&[SHOP], 2126);
    let caller = present_with(&callers, NONE, Some(&peer)).unwrap();
    assert_eq!(caller.name(), "shop");
    assert_eq!(*caller.credential(), Credential::Certificate(SHOP.into()));
}

#[test]
fn neither_a_part_of_the_uri_nor_another_name_is_enough() {
    let callers = shop(&NewKey::generate().unwrap());
    for uris in [
        &[][..],
        &["spiffe://example.org/shop/"],
        &["spiffe://example.org/sho"],
        &["spiffe://example.org/Shop"],
        &["spiffe://example.org/shop/more"],
        &["spiffe://evil.example/example.org/shop"],
        &[SHOP, "spiffe://example.org/other"],
        &[SHOP, SHOP],
    ] {
        let peer = certificate(uris, 2126);
        let rejected = present_with(&callers, NONE, Some(&peer)).unwrap_err();
        assert_eq!(rejected, Rejected::CertificateUnknown, "{uris:?}");
    }
}

/// TLS judges a certificate at the handshake only, and connections live longer.
#[test]
fn a_certificate_that_has_ended_since_the_handshake_is_refused() {
    let callers = shop(&NewKey::generate().unwrap());
    let peer = certificate(&[SHOP], 2026);
    let rejected = present_with(&callers, NONE, Some(&peer)).unwrap_err();
    assert_eq!(rejected, Rejected::CertificateExpired);
}

#[test]
fn an_authorization_header_decides_alone_even_beside_a_certificate() {
    let key = NewKey::generate().unwrap();
    let callers = shop(&key);
    let peer = certificate(&[SHOP], 2126);
    let right = format!("Bearer {}", key.expose());
    let caller = present_with(&callers, [right], Some(&peer)).unwrap();
    assert_eq!(caller.name(), "other");
    // A wrong one does not fall back to the certificate.
    let unknown = format!("Bearer {}", NewKey::generate().unwrap().expose());
    let rejected = present_with(&callers, [unknown], Some(&peer)).unwrap_err();
    assert_eq!(rejected, Rejected::Unknown);
    let rejected = present_with(&callers, ["Bearer nonsense"], Some(&peer)).unwrap_err();
    assert_eq!(rejected, Rejected::Malformed(Flaw::Other));
}
