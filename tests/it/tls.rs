//! gRPC over TLS, with certificates made for the test.

mod clients;
mod reload;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use bitrix24_openlines::api::openlines::v1::open_lines_service_client::OpenLinesServiceClient;
use bitrix24_openlines::testing::auth::NewKey;
use sandbox::{Portal, Sandbox};
use tokio::net::TcpListener;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use crate::support::certificate::Pair;
use crate::support::process::{Files, openlines};
use crate::support::requests::crm_message;
use crate::support::{Service, caller, tenants};

async fn start(certificate: &Path, private_key: &Path) -> (Sandbox, Service) {
    start_with(&[
        ("SERVER_TLS_CERTIFICATE_FILE", certificate.to_str().unwrap()),
        ("SERVER_TLS_PRIVATE_KEY_FILE", private_key.to_str().unwrap()),
    ])
    .await
}

async fn start_with(settings: &[(&str, &str)]) -> (Sandbox, Service) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let sandbox = Sandbox::start(listener, vec![Portal::demo()]).unwrap();
    let service = Service::start(settings, &tenants(sandbox.address())).await;
    (sandbox, service)
}

/// The settings of a server with this pair.
fn settings_of(pair: &Pair) -> [(&'static str, String); 2] {
    let path = |path: PathBuf| path.to_str().unwrap().to_owned();
    [
        ("SERVER_TLS_CERTIFICATE_FILE", path(pair.certificate())),
        ("SERVER_TLS_PRIVATE_KEY_FILE", path(pair.private_key())),
    ]
}

/// Connects with trust in this certificate.
async fn connect(service: &Service, pem: &str) -> Result<Channel, tonic::transport::Error> {
    connect_to(service.address, pem.to_owned(), None).await
}

async fn connect_to(
    address: SocketAddr,
    pem: String,
    identity: Option<Identity>,
) -> Result<Channel, tonic::transport::Error> {
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(pem))
        .domain_name("localhost");
    let tls = match identity {
        Some(identity) => tls.identity(identity),
        None => tls,
    };
    let endpoint = Endpoint::from_shared(format!("https://{address}")).unwrap();
    endpoint.tls_config(tls).unwrap().connect().await
}

#[tokio::test]
async fn a_client_that_trusts_the_certificate_is_served() {
    let pair = Pair::make();
    let (sandbox, service) = start(&pair.certificate(), &pair.private_key()).await;
    let mut client = OpenLinesServiceClient::new(connect(&service, &pair.pem).await.unwrap());
    client
        .send_crm_message(service.request(crm_message("over TLS")))
        .await
        .unwrap();
    assert_eq!(sandbox.record().times_delivered("over TLS"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_trusts_the_certificates_that_it_is_given() {
    let pair = Pair::make();
    let (_sandbox, service) = start(&pair.certificate(), &pair.private_key()).await;
    let address = format!("https://localhost:{}", service.address.port());
    let certificate = pair.certificate().to_str().unwrap().to_owned();
    // The caller manages nothing: that it is told so shows that it was heard.
    let list = |more: Vec<String>| {
        let mut command = openlines(&["tenants", "--address", &address, "list"]);
        command
            .args(more)
            .env("OPENLINES_API_KEY", service.key.expose());
        async {
            let done = tokio::task::spawn_blocking(move || command.output().unwrap());
            let done = done.await.unwrap();
            assert_eq!(done.status.code(), Some(1));
            String::from_utf8(done.stderr).unwrap()
        }
    };
    let told = list(vec!["--ca-file".to_owned(), certificate]).await;
    assert!(told.contains("ADMINISTRATION_NOT_PERMITTED"), "{told}");
    // The system does not know the certificate.
    let told = list(Vec::new()).await;
    assert!(told.contains("cannot reach https://localhost"), "{told}");
}

#[tokio::test]
async fn clear_text_and_an_unknown_certificate_do_not_come_through() {
    let pair = Pair::make();
    let (sandbox, service) = start(&pair.certificate(), &pair.private_key()).await;
    let clear = Endpoint::from_shared(format!("http://{}", service.address)).unwrap();
    let mut client = OpenLinesServiceClient::new(clear.connect_lazy());
    client
        .send_crm_message(service.request(crm_message("clear")))
        .await
        .unwrap_err();
    let other = Pair::make();
    assert!(connect(&service, &other.pem).await.is_err());
    assert_eq!(sandbox.record().entries, []);
}

#[tokio::test]
async fn a_client_that_breaks_off_the_handshake_does_not_hold_up_the_next() {
    let pair = Pair::make();
    let (sandbox, service) = start(&pair.certificate(), &pair.private_key()).await;
    let _silent = tokio::net::TcpStream::connect(service.address)
        .await
        .unwrap();
    let mut client = OpenLinesServiceClient::new(connect(&service, &pair.pem).await.unwrap());
    client
        .send_crm_message(service.request(crm_message("next")))
        .await
        .unwrap();
    assert_eq!(sandbox.record().times_delivered("next"), 1);
}

/// What `serve` says of these files at its start, and the code it ends with.
fn serve(certificate: &Path, private_key: &Path) -> (Option<i32>, String) {
    let key = NewKey::generate().unwrap();
    let tls = format!(
        "server: {{listen: '127.0.0.1:0', tls: {{certificate_file: '{}', private_key_file: '{}'}}}}\n",
        certificate.display(),
        private_key.display()
    );
    let files = Files::write(&(caller(&key) + &tls), "tenants: []\n");
    let settings = files.settings();
    let mut command = openlines(&["serve", "--config", settings.to_str().unwrap()]);
    let output = command.output().unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_of_its_setting() {
    let pair = Pair::make();
    let missing = pair.folder.path().join("missing.pem");
    for (certificate, key, setting) in [
        (&missing, &pair.private_key(), "server.tls.certificate_file"),
        (&pair.certificate(), &missing, "server.tls.private_key_file"),
    ] {
        let (code, said) = serve(certificate, key);
        assert_eq!(code, Some(64), "{said}");
        assert!(
            said.contains(setting) && said.contains("cannot be read"),
            "{said}"
        );
        assert!(said.contains("has 1 error:"), "{said}");
    }
}

#[test]
fn one_file_without_the_other_is_an_error_of_its_setting() {
    let key = NewKey::generate().unwrap();
    let pair = Pair::make();
    let certificate = pair.certificate();
    let tls = format!(
        "server: {{tls: {{certificate_file: '{}'}}}}\n",
        certificate.display()
    );
    let files = Files::write(&(caller(&key) + &tls), "tenants: []\n");
    let settings = files.settings();
    let output = openlines(&["serve", "--config", settings.to_str().unwrap()])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(64), "{said}");
    assert!(said.contains("server.tls.private_key_file"), "{said}");
}

/// The operator has to learn which of the two files is meant: by its path, or by its setting.
#[test]
fn a_file_that_holds_no_certificate_or_no_key_is_named_at_the_start() {
    let pair = Pair::make();
    let nonsense = pair.folder.path().join("nonsense.pem");
    std::fs::write(&nonsense, "no PEM").unwrap();
    for (certificate, key, setting, file) in [
        (
            &nonsense,
            &pair.private_key(),
            "server.tls.certificate_file",
            &nonsense,
        ),
        (
            &pair.certificate(),
            &nonsense,
            "server.tls.private_key_file",
            &nonsense,
        ),
        (
            &pair.private_key(),
            &pair.private_key(),
            "server.tls.certificate_file",
            &pair.private_key(),
        ),
    ] {
        let (code, said) = serve(certificate, key);
        assert!(matches!(code, Some(1 | 64)), "{said}");
        let names_it = said.contains(setting) || said.contains(file.to_str().unwrap());
        assert!(names_it, "{setting}: {said}");
    }
}

#[test]
fn the_key_of_another_certificate_is_refused_at_the_start() {
    let (pair, other) = (Pair::make(), Pair::make());
    let (code, said) = serve(&pair.certificate(), &other.private_key());
    assert!(matches!(code, Some(1 | 64)), "{said}");
    assert!(
        said.contains("server.tls.private_key_file cannot be used"),
        "{said}"
    );
}
