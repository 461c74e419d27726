//! HTTPS, and HTTP beside it.

use sandbox::{Fault, FaultKind, Identity, Moment, Portal, Sandbox, demo};

use crate::desk::*;

/// A sandbox with a certificate for `localhost`, and a client that trusts it.
async fn secure_desk() -> Desk {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let identity = Identity::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let sandbox = Sandbox::start_secure(listener, vec![Portal::demo()], identity).unwrap();
    let root = reqwest::Certificate::from_pem(certificate.as_bytes()).unwrap();
    let client = reqwest::Client::builder()
        .tls_certs_only([root])
        .resolve("localhost", sandbox.address())
        .no_proxy()
        .build()
        .unwrap();
    Desk { sandbox, client }
}

impl Desk {
    fn secure_url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.sandbox.address().port())
    }
}

#[tokio::test]
async fn both_are_answered_on_one_port_until_https_is_required() {
    let desk = secure_desk().await;
    let secure = desk.secure_url(&webhook(CRM));
    let request = || {
        let request = desk.client.post(&secure);
        request
            .header("content-type", "application/json")
            .body(crm_call().to_string())
    };
    Desk::send(request()).await.unwrap().result();
    desk.as_webhook(CRM, crm_call()).await.result();
    desk.sandbox
        .switch(|switches| switches.https_required = true);
    Desk::send(request()).await.unwrap().result();
    let plain = desk.as_webhook(CRM, crm_call()).await;
    desk.refused_with(&plain, 400, "INVALID_REQUEST", "Https required");
}

#[tokio::test]
async fn faults_work_over_https_and_addresses_in_answers_are_https() {
    let desk = secure_desk().await;
    let fields = format!(
        "grant_type=refresh_token&client_id={}&client_secret={}&refresh_token={}",
        demo::CLIENT_ID,
        demo::CLIENT_SECRET,
        demo::REFRESH_TOKEN
    );
    let url = desk.secure_url(&format!("/oauth/token/?{fields}"));
    let pair = Desk::send(desk.client.get(url)).await.unwrap().json();
    assert_eq!(pair["client_endpoint"], desk.secure_url("/rest/"));
    for kind in [
        FaultKind::Reset(Moment::After),
        FaultKind::Close(Moment::Before),
    ] {
        desk.sandbox.inject(Fault::once(kind));
        let request = desk.client.get(desk.secure_url(&webhook("profile")));
        assert!(Desk::send(request).await.is_err());
    }
}

#[test]
fn a_certificate_and_a_key_that_do_not_belong_together_are_refused() {
    let made = || rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (one, other) = (made(), made());
    let pem = one.cert.pem();
    let key = other.signing_key.serialize_pem();
    assert!(Identity::from_pem(pem.as_bytes(), key.as_bytes()).is_err());
    assert!(Identity::from_pem(b"", key.as_bytes()).is_err());
    assert!(Identity::from_pem(pem.as_bytes(), b"").is_err());
}
