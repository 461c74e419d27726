//! Portals behind a proxy and behind certificates that nobody else trusts, through real sockets.
//!
//! The proxy connects every name to one server on this machine, which is how a name in a
//! certificate can be tried without a name server.

mod certificates;
mod proxy;

use std::collections::HashSet;
use std::time::Duration;

use bitrix24::{
    Answer, Authorities, CallError, CertificatePin, Client, Credential, Deadlines, ForwardProxy,
    Method, NotSent, Obstacle, Parameters, Policy, PortalAddress, SelfHosted, SendGuard,
    TransportOptions,
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use sandbox::{Identity, Portal, Sandbox, Webhook};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::forward_proxy::TestProxy;

const HOST: &str = "crm.acme.example";
const SECRET: &str = "s3cr3tcanary0webhook";

/// A certificate with its key, and the certificate that it trusts back to.
struct Issued {
    certificate: String,
    key: String,
    authority: String,
}

impl Issued {
    /// From an authority that no system knows.
    fn by_a_company(names: &[&str]) -> Self {
        let authority_key = KeyPair::generate().unwrap();
        let mut authority = CertificateParams::new(vec!["Acme CA".to_owned()]).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = authority.self_signed(&authority_key).unwrap();
        let issuer = Issuer::new(authority, authority_key);
        let key = KeyPair::generate().unwrap();
        let names = names.iter().map(|name| (*name).to_owned());
        let params = CertificateParams::new(names.collect::<Vec<_>>()).unwrap();
        Self {
            certificate: params.signed_by(&key, &issuer).unwrap().pem(),
            key: key.serialize_pem(),
            authority: certificate.pem(),
        }
    }

    /// By itself, as an authority or not.
    fn by_itself(is_ca: bool, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![HOST.to_owned()]).unwrap();
        if is_ca {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        change(&mut params);
        let certificate = params.self_signed(&key).unwrap().pem();
        Self {
            authority: certificate.clone(),
            key: key.serialize_pem(),
            certificate,
        }
    }
}

/// A portal with a certificate, behind a proxy.
struct Scene {
    sandbox: Sandbox,
    proxy: TestProxy,
}

impl Scene {
    async fn start(issued: &Issued, refusal: Option<&'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let identity = Identity::from_pem(issued.certificate.as_bytes(), issued.key.as_bytes());
        let portal = Portal {
            webhooks: vec![Webhook {
                secret: SECRET.into(),
                ..Portal::demo().webhooks.remove(0)
            }],
            ..Portal::demo()
        };
        let sandbox = Sandbox::start_secure(listener, vec![portal], identity.unwrap()).unwrap();
        let proxy = TestProxy::start(sandbox.address(), refusal).await;
        Self { sandbox, proxy }
    }

    fn options(&self) -> TransportOptions {
        TransportOptions {
            self_hosted: HashSet::from([HOST.to_owned()]),
            proxy: Some(forward(&self.proxy)),
            ..TransportOptions::default()
        }
    }

    /// What a call of the portal brings. The portal is at another port than 443.
    async fn call(&self, options: TransportOptions) -> Result<Answer, CallError> {
        let text = format!("{HOST}:8443");
        let policy = Policy {
            self_hosted: vec![SelfHosted::parse(&text).unwrap()],
            ..Policy::default()
        };
        let portal = PortalAddress::parse(&text, &policy).unwrap();
        let credential = Credential::Webhook {
            user_id: 1,
            secret: SECRET.into(),
        };
        let parameters = Parameters::of(&json!({})).unwrap();
        let deadlines = Deadlines::until(Instant::now() + Duration::from_secs(20));
        let client = Client::new(options).unwrap();
        let guard = SendGuard::unwatched();
        let (method, credential) = (Method::ReadScopes, &credential);
        client
            .call(&portal, credential, method, &parameters, deadlines, &guard)
            .await
    }
}

fn unreachable(obstacle: Obstacle) -> Result<Answer, CallError> {
    Err(NotSent::Unreachable(obstacle).into())
}

fn forward(proxy: &TestProxy) -> ForwardProxy {
    ForwardProxy::parse(&format!("http://{}", proxy.address)).unwrap()
}
