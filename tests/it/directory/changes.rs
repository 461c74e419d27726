//! What another replica, or a command beside the service, changes in the store.

use bitrix24_openlines::api::openlines::tenants::v1 as tenants;
use bitrix24_openlines::api::openlines::tenants::v1::tenant::Credentials;
use bitrix24_openlines::api::openlines::tenants::v1::tenant_service_client::TenantServiceClient;
use sandbox::demo;
use secrecy::SecretString;
use store::StoredCredentials;
use tonic::transport::Channel;

use crate::refresh::Office;
use crate::support::Service;
use crate::support::stores::{Stores, change, id, on_both_stores};

on_both_stores!(a_tenant_is_seen_through_its_whole_life);

async fn a_tenant_is_seen_through_its_whole_life(stores: Stores) {
    let office = Office::open(stores).await;
    let service = &office.service;
    // Somebody has asked for it before: that it is absent is in memory too.
    office.soon(service, "second", "TENANT_NOT_PERMITTED").await;
    office.store.create(&office.hook("second")).await.unwrap();
    office.soon(service, "second", "OK").await;
    change(&office.store, "second", |tenant| {
        tenant.credentials = StoredCredentials::Webhook {
            user_id: 1,
            secret: SecretString::from("0therSecret"),
        };
    })
    .await;
    office
        .soon(service, "second", "REAUTHORIZATION_REQUIRED")
        .await;
    change(&office.store, "second", |tenant| tenant.disabled = true).await;
    office.soon(service, "second", "TENANT_DISABLED").await;
    office.store.delete(&id("second"), None).await.unwrap();
    office.soon(service, "second", "TENANT_NOT_PERMITTED").await;
    office.store.create(&office.hook("second")).await.unwrap();
    office.soon(service, "second", "OK").await;
    // Deleted and created anew between two looks of the service.
    office.store.delete(&id("second"), None).await.unwrap();
    let mut anew = office.hook("second");
    anew.disabled = true;
    office.store.create(&anew).await.unwrap();
    office.soon(service, "second", "TENANT_DISABLED").await;
}

async fn manager(service: &Service) -> TenantServiceClient<Channel> {
    TenantServiceClient::new(service.channel().await)
}

/// Two services on one PostgreSQL: what a caller of one does is seen by callers of the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_replica_is_told_the_other_knows() {
    let Some(stores) = Stores::postgresql().await else {
        return;
    };
    let office = Office::open(stores).await;
    let replica = office.replica().await;
    let service = &office.service;
    let mut manager = manager(&replica).await;
    let name = "tenants/second".to_owned();
    let create = || tenants::CreateTenantRequest {
        tenant_id: "second".to_owned(),
        tenant: Some(tenants::Tenant {
            portal: format!("http://{}", office.sandbox.address()),
            credentials: Some(Credentials::Webhook(tenants::WebhookCredentials {
                user_id: demo::OWNER,
                secret: demo::WEBHOOK_SECRET.to_owned(),
                ..Default::default()
            })),
            ..Default::default()
        }),
    };
    office.soon(service, "second", "TENANT_NOT_PERMITTED").await;
    manager
        .create_tenant(replica.request(create()))
        .await
        .unwrap();
    office.soon(&replica, "second", "OK").await;
    office.soon(service, "second", "OK").await;
    let disable = tenants::DisableTenantRequest {
        name: name.clone(),
        ..Default::default()
    };
    manager
        .disable_tenant(replica.request(disable))
        .await
        .unwrap();
    office.soon(service, "second", "TENANT_DISABLED").await;
    let enable = tenants::EnableTenantRequest {
        name: name.clone(),
        ..Default::default()
    };
    manager
        .enable_tenant(replica.request(enable))
        .await
        .unwrap();
    office.soon(service, "second", "OK").await;
    let delete = tenants::DeleteTenantRequest {
        name,
        ..Default::default()
    };
    manager
        .delete_tenant(replica.request(delete))
        .await
        .unwrap();
    office.soon(service, "second", "TENANT_NOT_PERMITTED").await;
    manager
        .create_tenant(replica.request(create()))
        .await
        .unwrap();
    office.soon(service, "second", "OK").await;
}
