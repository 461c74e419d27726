//! Client certificates over real TLS.

use bitrix24_openlines::api::openlines::v1::open_lines_service_client::OpenLinesServiceClient;
use bitrix24_openlines::testing::auth::NewKey;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType, string};
use sandbox::{Portal, Sandbox};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request, Status};

use super::assert_refused;
use crate::support::requests::crm_message;
use crate::support::{Service, tenants, with_key};

const SHOP: &str = "spiffe://example.org/ns/shop/sa/sender";

/// An authority with a certificate for the server, and more for clients.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let issuer = CertifiedIssuer::self_signed(params, key).unwrap();
        Self { issuer }
    }

    fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Certificate and key in PEM.
    fn issue(&self, names: Vec<SanType>) -> (String, String) {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names;
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    fn client(&self, uris: &[&str]) -> (String, String) {
        let uri = |uri: &&str| SanType::URI(string::Ia5String::try_from(*uri).unwrap());
        self.issue(uris.iter().map(uri).collect())
    }
}

struct Site {
    authority: Authority,
    sandbox: Sandbox,
    service: Service,
    _folder: TempDir,
}

impl Site {
    /// `shop` has a certificate, `other` a key.
    async fn start() -> Self {
        let authority = Authority::new();
        let name = SanType::DnsName(string::Ia5String::try_from("localhost").unwrap());
        let (certificate, private_key) = authority.issue(vec![name]);
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let settings = [
            ("SERVER_TLS_CLIENT_CERTIFICATES", "optional"),
            (
                "SERVER_TLS_CERTIFICATE_FILE",
                &*file("tls.crt", &certificate),
            ),
            (
                "SERVER_TLS_PRIVATE_KEY_FILE",
                &*file("tls.key", &private_key),
            ),
            (
                "SERVER_TLS_CLIENT_CA_FILE",
                &*file("ca.crt", &authority.pem()),
            ),
        ];
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sandbox = Sandbox::start(listener, vec![Portal::demo()]).unwrap();
        let key = NewKey::generate().unwrap();
        let auth = format!(
            "auth:\n  callers:\n  - {{name: shop, tenants: ['*'], methods: [SendCrmMessage], \
             certificates: ['{SHOP}']}}\n  - {{name: other, tenants: [nothing], keys: ['{}']}}\n",
            key.entry()
        );
        let service = Service::with_auth(key, &auth, &settings, &tenants(sandbox.address())).await;
        Self {
            authority,
            sandbox,
            service,
            _folder: folder,
        }
    }

    async fn connect(&self, identity: Option<(String, String)>) -> Channel {
        let mut tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(self.authority.pem()))
            .domain_name("localhost");
        if let Some((certificate, key)) = identity {
            tls = tls.identity(Identity::from_pem(certificate, key));
        }
        let endpoint = Endpoint::from_shared(format!("https://{}", self.service.address)).unwrap();
        endpoint.tls_config(tls).unwrap().connect().await.unwrap()
    }

    /// A call without a header, over a connection with a certificate that has these URIs.
    async fn call(&self, uris: &[&str]) -> Result<(), Status> {
        let channel = self.connect(Some(self.authority.client(uris))).await;
        let mut client = OpenLinesServiceClient::new(channel);
        let request = Request::new(crm_message("text"));
        client.send_crm_message(request).await.map(|_| ())
    }
}

#[tokio::test]
async fn a_spiffe_id_is_a_caller_with_its_grants() {
    let site = Site::start().await;
    site.call(&[SHOP]).await.unwrap();
    assert_eq!(site.sandbox.record().times_delivered("text"), 1);
}

#[tokio::test]
async fn other_certificates_of_the_same_authority_are_nobody() {
    let site = Site::start().await;
    for uris in [
        &[][..],
        &["spiffe://example.org/ns/shop/sa/sender2"],
        &[
            "spiffe://example.org/ns/shop/sa/sender",
            "spiffe://example.org/ns/shop/sa/x",
        ],
    ] {
        let status = site.call(uris).await.unwrap_err();
        assert_refused(&status, Code::Unauthenticated, "CREDENTIALS_INVALID");
    }
    assert_eq!(site.sandbox.record().entries, []);
}

#[tokio::test]
async fn a_header_decides_alone_beside_a_certificate() {
    let site = Site::start().await;
    let identity = site.authority.client(&[SHOP]);
    let mut client = OpenLinesServiceClient::new(site.connect(Some(identity)).await);
    let key = site.service.key.expose();
    // The caller `other`, which may act for no tenant that there is.
    let request = with_key(crm_message("text"), key);
    let status = client.send_crm_message(request).await.unwrap_err();
    assert_refused(&status, Code::PermissionDenied, "TENANT_NOT_PERMITTED");
    let unknown = NewKey::generate().unwrap();
    let request = with_key(crm_message("text"), unknown.expose());
    let status = client.send_crm_message(request).await.unwrap_err();
    assert_refused(&status, Code::Unauthenticated, "CREDENTIALS_INVALID");
    assert_eq!(site.sandbox.record().entries, []);
}

#[tokio::test]
async fn a_client_without_a_certificate_uses_its_key() {
    let site = Site::start().await;
    let mut client = OpenLinesServiceClient::new(site.connect(None).await);
    let request = Request::new(crm_message("text"));
    let status = client.send_crm_message(request).await.unwrap_err();
    assert_refused(&status, Code::Unauthenticated, "CREDENTIALS_MISSING");
    let request = with_key(crm_message("text"), site.service.key.expose());
    let status = client.send_crm_message(request).await.unwrap_err();
    assert_refused(&status, Code::PermissionDenied, "TENANT_NOT_PERMITTED");
}
