//! TLS with an authority of one's own.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use store::{Access, OpenError, Store, StoreUrl};

use super::server::{Server, Stop, give};
use super::users::Users;
use crate::support::stores::keyring;

/// An authority, as a file and as who signs.
fn authority(folder: &Path, name: &str) -> (PathBuf, CertifiedIssuer<'static, KeyPair>) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    // Two of the same name would be taken for each other.
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let path = folder.join(name);
    std::fs::write(&path, authority.pem()).unwrap();
    (path, authority)
}

/// A server that takes connections with TLS only, for the name `localhost`, and the file of the
/// authority that signed its certificate.
fn server(folder: &Path) -> Option<(Server, PathBuf)> {
    let server = Server::start(&[])?;
    let (path, authority) = authority(folder, "authority.pem");
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    server.stop(Stop::Fast);
    for (name, text) in [
        ("server.crt", certificate.pem()),
        ("server.key", key.serialize_pem()),
        (
            "pg_hba.conf",
            "hostssl all all 127.0.0.1/32 password\n".to_owned(),
        ),
    ] {
        let path = server.path("data").join(name);
        std::fs::write(&path, text).unwrap();
        give(&path);
    }
    server.configure(&["ssl = on"]);
    server.start_again();
    Some((server, path))
}

async fn open(url: &str) -> Result<Store, OpenError> {
    let url = StoreUrl::parse(url).unwrap();
    Store::open(&url, keyring(), Access::Maintenance).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_works_with_a_certificate_of_a_private_authority() {
    let folder = tempfile::tempdir().unwrap();
    let Some((server, authority)) = server(folder.path()) else {
        return;
    };
    let url = server.url_of("localhost");
    let url = format!(
        "{url}?sslmode=verify-full&sslrootcert={}",
        authority.display()
    );
    let users = Users::start(&url).await;
    let id = uuid::Uuid::new_v4();
    assert!(!users.send(id, "text").await.unwrap());
    assert!(users.send(id, "text").await.unwrap());
    assert_eq!(users.delivered("text"), 1);
    let budgets = open(&url).await.unwrap().budgets().unwrap();
    budgets.connect().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_authority_another_name_and_no_encryption_are_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let Some((server, known)) = server(folder.path()) else {
        return;
    };
    let (other, _) = authority(folder.path(), "other.pem");
    for (host, mode, authority, reason) in [
        ("localhost", "verify-full", &other, "UnknownIssuer"),
        ("127.0.0.1", "verify-full", &known, "not valid for name"),
        ("localhost", "disable", &known, "no encryption"),
    ] {
        let url = server.url_of(host);
        let url = format!("{url}?sslmode={mode}&sslrootcert={}", authority.display());
        let error = open(&url).await.unwrap_err();
        let text = chain(&error);
        assert!(text.contains(reason), "{text}");
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
