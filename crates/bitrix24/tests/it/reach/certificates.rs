//! Certificates that are trusted, and those that are not.

use rcgen::{PublicKeyData, date_time_ymd};
use sha2::{Digest, Sha256};

use super::*;

fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02X}")).collect()
}

fn pin(fingerprint: &str) -> CertificatePin {
    CertificatePin::parse(&format!("{HOST}={fingerprint}")).unwrap()
}

/// The fingerprint of the certificate, as OpenSSL prints it.
fn of_certificate(issued: &Issued) -> String {
    let pem = rcgen_pem(&issued.certificate);
    let digits = sha256(&pem);
    let pairs: Vec<&str> = (0..32).map(|at| &digits[2 * at..2 * at + 2]).collect();
    pairs.join(":")
}

fn of_public_key(issued: &Issued) -> String {
    sha256(
        &KeyPair::from_pem(&issued.key)
            .unwrap()
            .subject_public_key_info(),
    )
}

fn rcgen_pem(text: &str) -> Vec<u8> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    CertificateDer::from_pem_slice(text.as_bytes())
        .unwrap()
        .to_vec()
}

#[tokio::test]
async fn a_companys_authority_is_trusted_if_the_operator_gives_it() {
    let issued = Issued::by_a_company(&[HOST]);
    let scene = Scene::start(&issued, None).await;
    let refused = scene.call(scene.options()).await;
    assert_eq!(refused, unreachable(Obstacle::UnknownIssuer));
    assert_eq!(scene.sandbox.record().entries, []);
    let options = TransportOptions {
        authorities: Authorities::from_pem(&issued.authority).unwrap(),
        ..scene.options()
    };
    let answer = scene.call(options).await.unwrap();
    assert!(answer.result.is_array(), "{answer:?}");
}

#[tokio::test]
async fn a_name_or_a_date_that_is_wrong_is_named() {
    for (issued, obstacle) in [
        (
            Issued::by_a_company(&["other.example"]),
            Obstacle::OtherName,
        ),
        (
            Issued::by_itself(false, |params| params.not_after = date_time_ymd(2020, 1, 1)),
            Obstacle::Expired,
        ),
        (
            Issued::by_itself(false, |params| {
                params.not_before = date_time_ymd(4000, 1, 1)
            }),
            Obstacle::NotValidYet,
        ),
    ] {
        let scene = Scene::start(&issued, None).await;
        let options = TransportOptions {
            authorities: Authorities::from_pem(&issued.authority).unwrap(),
            ..scene.options()
        };
        assert_eq!(scene.call(options).await, unreachable(obstacle));
    }
}

/// As many boxes have it: self-signed, and marked as an authority.
#[tokio::test]
async fn a_self_signed_certificate_is_trusted_if_it_is_pinned() {
    for is_ca in [true, false] {
        let issued = Issued::by_itself(is_ca, |_| ());
        let scene = Scene::start(&issued, None).await;
        let options = TransportOptions {
            authorities: Authorities::from_pem(&issued.authority).unwrap(),
            ..scene.options()
        };
        let unpinned = scene.call(options).await;
        if is_ca {
            assert_eq!(unpinned, unreachable(Obstacle::CaUsedAsEndEntity));
        }
        for fingerprint in [of_certificate(&issued), of_public_key(&issued)] {
            let options = TransportOptions {
                pins: vec![pin(&"00".repeat(32)), pin(&fingerprint)],
                ..scene.options()
            };
            let answer = scene.call(options).await;
            assert!(answer.is_ok(), "{is_ca} {fingerprint}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn a_host_with_a_pin_must_present_that_certificate_whoever_issued_another() {
    let issued = Issued::by_a_company(&[HOST]);
    let scene = Scene::start(&issued, None).await;
    let options = TransportOptions {
        authorities: Authorities::from_pem(&issued.authority).unwrap(),
        pins: vec![pin(&"00".repeat(32))],
        ..scene.options()
    };
    assert_eq!(scene.call(options).await, unreachable(Obstacle::NotPinned));
    assert_eq!(scene.sandbox.record().entries, []);
}

#[tokio::test]
async fn a_pin_of_another_host_changes_nothing() {
    let issued = Issued::by_a_company(&[HOST]);
    let scene = Scene::start(&issued, None).await;
    let other = format!("x.acme.example={}", of_certificate(&issued));
    let options = TransportOptions {
        pins: vec![CertificatePin::parse(&other).unwrap()],
        ..scene.options()
    };
    let refused = scene.call(options).await;
    assert_eq!(refused, unreachable(Obstacle::UnknownIssuer));
}
