//! Portals on the operator's own servers, behind the operator's proxy, with the real program.

use bitrix24_openlines::api::openlines::tenants::v1 as tenants;
use bitrix24_openlines::api::openlines::tenants::v1::tenant_service_client::TenantServiceClient;
use bitrix24_openlines::api::openlines::v1::open_lines_service_client::OpenLinesServiceClient;
use bitrix24_openlines::testing::auth::NewKey;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use sandbox::{Identity, Portal, Sandbox, demo};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tonic::Status;
use tonic::transport::{Channel, Endpoint};

use crate::support::forward_proxy::TestProxy;
use crate::support::process::{Files, Process, openlines};
use crate::support::requests::crm_message;
use crate::support::{Told, with_key};

const PORTAL: &str = "crm.acme.example:8443";

/// A portal with a certificate that it signed itself, marked as an authority's.
struct Scene {
    sandbox: Sandbox,
    proxy: TestProxy,
    key: NewKey,
    sha256: String,
}

impl Scene {
    async fn start() -> Self {
        let own_key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["crm.acme.example".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&own_key).unwrap();
        let (pem, own_key) = (certificate.pem(), own_key.serialize_pem());
        let identity = Identity::from_pem(pem.as_bytes(), own_key.as_bytes()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sandbox = Sandbox::start_secure(listener, vec![Portal::demo()], identity).unwrap();
        let digest = Sha256::digest(certificate.der());
        Self {
            proxy: TestProxy::start(sandbox.address(), None).await,
            sandbox,
            key: NewKey::generate().unwrap(),
            sha256: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }

    /// The program with these variables.
    async fn serve(&self, variables: &[(&str, &str)]) -> (Process, Channel, Files) {
        let caller = format!(
            "auth: {{callers: [{{name: tests, tenants: ['*'], manages_tenants: true, keys: ['{}']}}]}}\n\
             server: {{listen: '127.0.0.1:0', drain_seconds: 2, default_deadline_seconds: 5}}\n",
            self.key.entry(),
        );
        let tenants = format!(
            "tenants: [{{id: hook, portal: '{PORTAL}', webhook: {{user_id: {}, secret: {{inline: {}}}}}}}]\n",
            demo::OWNER,
            demo::WEBHOOK_SECRET,
        );
        let files = Files::write(&caller, &tenants);
        let settings = files.settings();
        let mut command = openlines(&["serve", "--config", settings.to_str().unwrap()]);
        command
            .env("OPENLINES_PORTALS_SELF_HOSTED", PORTAL)
            .envs(variables.iter().copied());
        let process = Process::start(command);
        let address = process.address().await;
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        (process, endpoint.connect().await.unwrap(), files)
    }

    async fn send(&self, channel: &Channel) -> Result<(), Status> {
        let mut client = OpenLinesServiceClient::new(channel.clone());
        let mut message = crm_message("hello");
        message.tenant_id = "hook".to_owned();
        let request = with_key(message, self.key.expose());
        client.send_crm_message(request).await.map(|_| ())
    }

    async fn verify(&self, channel: &Channel) -> tenants::VerifyTenantResponse {
        let mut client = TenantServiceClient::new(channel.clone());
        let request = tenants::VerifyTenantRequest {
            name: "tenants/hook".to_owned(),
        };
        let request = with_key(request, self.key.expose());
        client.verify_tenant(request).await.unwrap().into_inner()
    }

    fn proxy(&self) -> String {
        format!("http://{}", self.proxy.address)
    }
}

async fn log_of(process: Process) -> String {
    process.terminate();
    let (status, log) = process.ended().await;
    assert!(status.success(), "{log}");
    log
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_named_by_status_trial_and_log() {
    let scene = Scene::start().await;
    let proxy = scene.proxy();
    let (process, channel, _files) = scene.serve(&[("OPENLINES_PORTALS_PROXY", &proxy)]).await;
    let refused = scene.send(&channel).await.unwrap_err();
    assert_eq!(refused.reason(), "PORTAL_UNREACHABLE");
    assert_eq!(refused.outcome(), "not_executed");
    let message = refused.message();
    assert!(message.contains("CaUsedAsEndEntity"), "{message}");
    assert!(message.contains("portals.pinned_certificates"), "{message}");
    let verified = scene.verify(&channel).await;
    let told = &verified.explanation;
    assert!(told.contains("CaUsedAsEndEntity"), "{told}");
    let log = log_of(process).await;
    let warnings: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("cannot connect to the portal"))
        .collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    for word in [PORTAL, "hook", "CaUsedAsEndEntity"] {
        assert!(warnings[0].contains(word), "{word}: {warnings:?}");
    }
    assert_eq!(scene.sandbox.record().entries, []);
}

#[tokio::test]
async fn a_pinned_certificate_at_another_port_is_called_through_the_proxy() {
    let scene = Scene::start().await;
    let (proxy, pin) = (scene.proxy(), format!("crm.acme.example={}", scene.sha256));
    let (process, channel, _files) = scene
        .serve(&[
            ("OPENLINES_PORTALS_PROXY", &proxy),
            ("OPENLINES_PORTALS_PINNED_CERTIFICATES", &pin),
        ])
        .await;
    scene.send(&channel).await.unwrap();
    let verified = scene.verify(&channel).await;
    assert!(verified.explanation.contains(PORTAL), "{verified:?}");
    assert_eq!(scene.sandbox.record().times_delivered("hello"), 1);
    let heads = scene.proxy.heads();
    let expected = format!("CONNECT {PORTAL} HTTP/1.1\r\n");
    assert!(
        heads.iter().all(|head| head.starts_with(&expected)),
        "{heads:?}"
    );
    log_of(process).await;
}

/// A proxy from the environment would resolve names in the service's place, unsaid.
#[tokio::test]
async fn proxies_from_the_environment_are_ignored() {
    let scene = Scene::start().await;
    let proxy = scene.proxy();
    let names = [
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
        "HTTP_PROXY",
    ];
    let variables = names.map(|name| (name, proxy.as_str()));
    let (process, channel, _files) = scene.serve(&variables).await;
    let refused = scene.send(&channel).await.unwrap_err();
    assert_eq!(refused.reason(), "PORTAL_UNREACHABLE");
    assert_eq!(scene.proxy.heads(), [""; 0]);
    log_of(process).await;
}
