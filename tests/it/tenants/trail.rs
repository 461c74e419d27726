//! What the log says of changes.

use bitrix24_openlines::api::openlines::tenants::v1 as api;
use bitrix24_openlines::api::openlines::tenants::v1::tenant_service_client::TenantServiceClient;
use bitrix24_openlines::testing::auth::NewKey;
use prost_types::FieldMask;
use serde_json::Value;
use tonic::transport::Endpoint;

use super::office::{callers, webhook};
use crate::support::process::{Files, Process, openlines};
use crate::support::with_key;

#[tokio::test]
async fn every_change_is_in_the_trail_with_its_author_and_no_other_call_is() {
    let keys = [(); 3].map(|()| NewKey::generate().unwrap());
    let settings = format!("server: {{listen: '127.0.0.1:0'}}\n{}", callers(&keys));
    let files = Files::write(&settings, "tenants: []\n");
    let path = files.settings();
    let process = Process::start(openlines(&["serve", "--config", path.to_str().unwrap()]));
    let address = process.address().await;
    let channel = Endpoint::from_shared(format!("http://{address}")).unwrap();
    let mut client = TenantServiceClient::new(channel.connect().await.unwrap());
    let key = keys[0].expose();
    let name = || "tenants/acme".to_owned();

    let create = || api::CreateTenantRequest {
        tenant_id: "acme".to_owned(),
        tenant: Some(webhook("a.bitrix24.com", 1, "s3cr3t")),
    };
    client.create_tenant(with_key(create(), key)).await.unwrap();
    client
        .create_tenant(with_key(create(), key))
        .await
        .unwrap_err();
    let update = |tenant| api::UpdateTenantRequest {
        tenant: Some(api::Tenant {
            name: name(),
            display_name: "Acme".to_owned(),
            ..tenant
        }),
        update_mask: Some(FieldMask {
            paths: vec!["*".to_owned()],
        }),
    };
    let tenant = webhook("b.bitrix24.com", 1, "s3cr3t");
    for _ in 0..2 {
        let request = update(webhook("a.bitrix24.com", 1, ""));
        client.update_tenant(with_key(request, key)).await.unwrap();
    }
    client
        .update_tenant(with_key(update(tenant), key))
        .await
        .unwrap();
    for _ in 0..2 {
        let request = api::DisableTenantRequest {
            name: name(),
            ..Default::default()
        };
        client.disable_tenant(with_key(request, key)).await.unwrap();
    }
    let request = api::EnableTenantRequest {
        name: name(),
        ..Default::default()
    };
    client.enable_tenant(with_key(request, key)).await.unwrap();
    let request = api::GetTenantRequest { name: name() };
    client.get_tenant(with_key(request, key)).await.unwrap();
    let request = api::DeleteTenantRequest {
        name: name(),
        ..Default::default()
    };
    client
        .delete_tenant(with_key(request, keys[1].expose()))
        .await
        .unwrap();

    process.terminate();
    let (status, log) = process.ended().await;
    assert!(status.success());
    let lines: Vec<Value> = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let trail: Vec<String> = lines
        .iter()
        .filter(|line| line["target"] == "openlines::audit")
        .map(|line| {
            assert_eq!(line["tenant"], "acme");
            let text = |key: &str| line[key].as_str().unwrap().to_owned();
            format!("{} {}: {}", text("actor"), text("action"), text("facts"))
        })
        .collect();
    assert_eq!(
        trail,
        [
            "caller manager created: portal a.bitrix24.com",
            "caller manager updated: display_name",
            "caller manager updated: portal, webhook.secret; portal from a.bitrix24.com to b.bitrix24.com",
            "caller manager disabled: state",
            "caller manager enabled: state",
            "caller clerk deleted: ",
        ]
    );
    assert!(!log.contains("s3cr3t"));

    // The line of a call names the operation, the caller and the tenant like any other.
    let deletion = lines
        .iter()
        .find(|line| line["operation"] == "openlines.tenants.v1.TenantService/DeleteTenant")
        .unwrap();
    assert_eq!(deletion["caller"], "clerk");
    assert_eq!(deletion["tenant"], "acme");
    assert_eq!(deletion["code"], "OK");
}
