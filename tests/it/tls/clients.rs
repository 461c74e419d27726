//! Certificates of clients, and clients of yesterday.

use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tonic::transport::{Channel, Identity};

use super::{connect_to, settings_of, start_with};
use crate::hostile::answered_over;
use crate::support::Service;
use crate::support::certificate::{Pair, handshake};
use crate::support::frames::Wire;

/// An authority that issues client certificates, with its certificate in a file.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        Self { issuer, pem }
    }

    fn client(&self) -> Identity {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["client".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity::from_pem(certificate.pem(), key.serialize_pem())
    }
}

struct Bench {
    server: Pair,
    folder: TempDir,
    service: Service,
    _sandbox: sandbox::Sandbox,
}

impl Bench {
    async fn new(authority: &Authority, certificates: &str) -> Self {
        let server = Pair::make();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clients.pem");
        std::fs::write(&path, &authority.pem).unwrap();
        let own = settings_of(&server);
        let mut settings: Vec<_> = own.iter().map(|(name, value)| (*name, &**value)).collect();
        settings.push(("SERVER_TLS_CLIENT_CA_FILE", path.to_str().unwrap()));
        settings.push(("SERVER_TLS_CLIENT_CERTIFICATES", certificates));
        settings.push(("SERVER_CONNECTIONS_PREFACE_SECONDS", "1"));
        let (sandbox, service) = start_with(&settings).await;
        Self {
            server,
            folder,
            service,
            _sandbox: sandbox,
        }
    }

    /// Connects and is served, or not.
    async fn is_served(&self, identity: Option<Identity>) -> bool {
        let address = self.service.address;
        let channel: Result<Channel, _> =
            connect_to(address, self.server.pem.clone(), identity).await;
        match channel {
            Ok(channel) => answered_over(&self.service, channel).await,
            Err(_) => false,
        }
    }
}

#[tokio::test]
async fn only_clients_of_the_authority_are_served_if_certificates_are_required() {
    let (authority, other) = (Authority::new(), Authority::new());
    let bench = Bench::new(&authority, "required").await;
    assert!(bench.is_served(Some(authority.client())).await);
    assert!(!bench.is_served(Some(other.client())).await);
    assert!(!bench.is_served(None).await);
}

#[tokio::test]
async fn clients_without_a_certificate_are_served_if_it_is_optional() {
    let (authority, other) = (Authority::new(), Authority::new());
    let bench = Bench::new(&authority, "optional").await;
    assert!(bench.is_served(Some(authority.client())).await);
    assert!(bench.is_served(None).await);
    assert!(!bench.is_served(Some(other.client())).await);
}

#[tokio::test]
async fn another_authority_is_trusted_without_a_restart() {
    let (authority, next) = (Authority::new(), Authority::new());
    let bench = Bench::new(&authority, "required").await;
    std::fs::write(bench.folder.path().join("clients.pem"), &next.pem).unwrap();
    let limit = Instant::now() + Duration::from_secs(40);
    while !bench.is_served(Some(next.client())).await {
        assert!(Instant::now() < limit, "it is not trusted");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(!bench.is_served(Some(authority.client())).await);
}

#[tokio::test]
async fn a_peer_that_is_silent_in_or_after_the_handshake_is_closed() {
    let authority = Authority::new();
    let bench = Bench::new(&authority, "optional").await;
    let mut silent = Wire::silent(bench.service.address).await;
    let connector = bench.server.connector();
    let encrypted = handshake(bench.service.address, &connector).await.unwrap();
    let (mut encrypted, mut read) = (encrypted, Vec::new());
    assert!(bench.is_served(None).await);
    let both = async {
        silent.closed().await;
        // It may end without TLS's own goodbye.
        let _ = encrypted.read_to_end(&mut read).await;
    };
    let closed = tokio::time::timeout(Duration::from_secs(20), both).await;
    closed.expect("closed in time");
    assert!(bench.is_served(None).await);
}

/// The newest that it offers is TLS 1.1, with a suite of that time.
#[tokio::test]
async fn old_versions_of_tls_are_not_spoken() {
    let bench = Bench::new(&Authority::new(), "optional").await;
    let mut hello = vec![3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0xc0, 0x13, 1, 0]);
    let length = u8::try_from(hello.len()).unwrap();
    let head = [22, 3, 1, 0, length + 4, 1, 0, 0, length];
    let mut wire = Wire::silent(bench.service.address).await;
    wire.send(&[&head, &*hello].concat()).await.unwrap();
    let mut record = [0; 7];
    wire.stream.read_exact(&mut record).await.unwrap();
    let [kind, _, _, _, _, level, _] = record;
    assert_eq!((kind, level), (21, 2), "a fatal alert");
}
