//! The operator's proxy.

use super::*;

/// A portal that is trusted, behind a proxy.
async fn trusted(refusal: Option<&'static str>) -> (Scene, TransportOptions) {
    let issued = Issued::by_a_company(&[HOST]);
    let scene = Scene::start(&issued, refusal).await;
    let options = TransportOptions {
        authorities: Authorities::from_pem(&issued.authority).unwrap(),
        ..scene.options()
    };
    (scene, options)
}

#[tokio::test]
async fn a_portal_is_called_by_its_name_and_port_through_the_proxy() {
    let (scene, options) = trusted(None).await;
    let proxy = forward(&scene.proxy);
    let proxy = proxy
        .with_credentials("openlines:pass:word".into())
        .unwrap();
    let options = TransportOptions {
        proxy: Some(proxy),
        ..options
    };
    scene.call(options).await.unwrap();
    let heads = scene.proxy.heads();
    assert_eq!(heads.len(), 1, "{heads:?}");
    assert!(
        heads[0].starts_with("CONNECT crm.acme.example:8443 HTTP/1.1\r\n"),
        "{heads:?}"
    );
    // `openlines:pass:word` in base64. The portal's secret is inside the tunnel.
    let credentials = "proxy-authorization: Basic b3BlbmxpbmVzOnBhc3M6d29yZA==";
    assert!(
        heads[0]
            .to_lowercase()
            .contains(&credentials.to_lowercase())
    );
    assert!(!heads[0].contains(SECRET));
}

#[tokio::test]
async fn a_proxy_that_refuses_leaves_the_call_unsent() {
    for refusal in [
        "407 Proxy Authentication Required",
        "403 Forbidden",
        "502 Bad Gateway",
    ] {
        let (scene, options) = trusted(Some(refusal)).await;
        let refused = scene.call(options).await;
        assert_eq!(refused, unreachable(Obstacle::Proxy), "{refusal}");
        assert_eq!(scene.sandbox.record().entries, []);
    }
}

/// The proxy is on the operator's network, where portals must not be.
#[tokio::test]
async fn the_names_of_portals_are_not_resolved_here_but_those_of_exceptions_are() {
    let (scene, options) = trusted(None).await;
    let exceptions = vec![bitrix24::HostName::parse(HOST).unwrap()];
    let options = TransportOptions {
        proxy: Some(forward(&scene.proxy).with_exceptions(exceptions)),
        ..options
    };
    let refused = scene.call(options).await;
    assert_eq!(refused, unreachable(Obstacle::Name));
    assert_eq!(scene.proxy.heads(), [""; 0]);
}

#[tokio::test]
async fn the_sandbox_on_this_machine_is_called_without_the_proxy() {
    let (scene, options) = trusted(Some("403 Forbidden")).await;
    let policy = Policy {
        dangerous_allow_insecure: true,
        ..Policy::default()
    };
    let address = format!("http://{}", scene.sandbox.address());
    let portal = PortalAddress::parse(&address, &policy).unwrap();
    let credential = Credential::Webhook {
        user_id: 1,
        secret: SECRET.into(),
    };
    let parameters = Parameters::of(&json!({})).unwrap();
    let deadlines = Deadlines::until(Instant::now() + Duration::from_secs(20));
    let guard = SendGuard::unwatched();
    let method = Method::ReadScopes;
    let client = Client::new(options).unwrap();
    client
        .call(&portal, &credential, method, &parameters, deadlines, &guard)
        .await
        .unwrap();
    assert_eq!(scene.proxy.heads(), [""; 0]);
}
