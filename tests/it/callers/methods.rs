//! Grants by method.

use bitrix24_openlines::testing::auth::NewKey;
use sandbox::{Portal, Sandbox};
use tokio::net::TcpListener;
use tonic::Code;

use super::{assert_refused, whole};
use crate::support::requests::{
    connector_message, connector_messages, crm_message, network_message,
};
use crate::support::{APPLICATION, Service, WEBHOOK, tenants, with_key};

/// A service with a caller that may send CRM messages for one tenant, and nothing else.
async fn start() -> (Sandbox, Service) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let sandbox = Sandbox::start(listener, vec![Portal::demo()]).unwrap();
    let key = NewKey::generate().unwrap();
    let auth = format!(
        "auth:\n  callers:\n  - {{name: shop, tenants: [{WEBHOOK}], methods: [SendCrmMessage], \
         keys: ['{}']}}\n",
        key.entry()
    );
    let service = Service::with_auth(key, &auth, &[], &tenants(sandbox.address())).await;
    (sandbox, service)
}

#[tokio::test]
async fn a_caller_calls_the_methods_it_was_granted_and_no_other() {
    let (sandbox, service) = start().await;
    let mut client = service.client().await;
    let request = service.request(crm_message("granted"));
    client.send_crm_message(request).await.unwrap();
    let request = service.request(network_message("text"));
    let status = client.send_network_message(request).await.unwrap_err();
    assert_refused(&status, Code::PermissionDenied, "METHOD_NOT_PERMITTED");
    let request = connector_messages(vec![connector_message("m", "text")]);
    let request = service.request(request);
    let status = client.send_connector_messages(request).await.unwrap_err();
    assert_refused(&status, Code::PermissionDenied, "METHOD_NOT_PERMITTED");
    assert_eq!(sandbox.record().entries.len(), 1);
}

/// Granted and there, forbidden and there, granted to no one; sound and broken.
#[tokio::test]
async fn a_refused_method_tells_nothing_about_tenants_or_the_request() {
    let (_sandbox, service) = start().await;
    let mut client = service.client().await;
    let mut statuses = Vec::new();
    for (tenant, text) in [
        (WEBHOOK, "text"),
        (APPLICATION, "text"),
        ("ghost", ""),
        ("", ""),
    ] {
        let mut message = network_message(text);
        message.tenant_id = tenant.to_owned();
        let mut request = with_key(message, service.key.expose());
        let same = "the-same".parse().unwrap();
        request.metadata_mut().insert("x-request-id", same);
        statuses.push(client.send_network_message(request).await.unwrap_err());
    }
    for status in &statuses {
        assert_refused(status, Code::PermissionDenied, "METHOD_NOT_PERMITTED");
        assert_eq!(status.message(), statuses[0].message());
        assert_eq!(whole(status), whole(&statuses[0]));
    }
}
