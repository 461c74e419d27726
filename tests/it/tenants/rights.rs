//! Who may manage which tenants.

use bitrix24_openlines::api::openlines::tenants::v1 as api;
use tonic::{Code, Status};

use super::office::{Desk, Office};
use crate::support::Told;

/// What every operation answers for a tenant, by its name.
async fn every_operation(desk: &mut Desk, id: &str) -> Vec<(&'static str, Option<Status>)> {
    let update = api::Tenant {
        display_name: "x".to_owned(),
        ..Default::default()
    };
    vec![
        ("get", desk.get(id).await.err()),
        ("update", desk.update(id, update, &[]).await.err()),
        ("disable", desk.disable(id, "").await.err()),
        ("enable", desk.enable(id, "").await.err()),
        ("verify", desk.verify(id).await.err()),
        ("delete", desk.delete(id, "").await.err()),
    ]
}

#[tokio::test]
async fn a_caller_without_the_right_is_told_nothing_about_any_tenant() {
    let office = Office::open().await;
    let mut sender = office.desk(&office.keys.sender).await;
    for id in ["app", "ghost", "", "no/name"] {
        for (operation, refused) in every_operation(&mut sender, id).await {
            let refused = refused.unwrap();
            assert_eq!(refused.code(), Code::PermissionDenied, "{operation} {id}");
            assert_eq!(
                refused.reason(),
                "ADMINISTRATION_NOT_PERMITTED",
                "{operation} {id}"
            );
            assert_eq!(refused.metadata_value("tenantId"), None);
        }
    }
    let created = sender
        .create("app", api::Tenant::default())
        .await
        .unwrap_err();
    assert_eq!(created.reason(), "ADMINISTRATION_NOT_PERMITTED");
    let listed = sender
        .list(api::ListTenantsRequest::default())
        .await
        .unwrap_err();
    assert_eq!(listed.reason(), "ADMINISTRATION_NOT_PERMITTED");
    assert!(office.manager().await.get("app").await.is_ok());
}

#[tokio::test]
async fn a_caller_without_a_sound_key_is_not_authenticated() {
    let office = Office::open().await;
    let mut stranger = office.desk("b24f_nonsense").await;
    for (operation, refused) in every_operation(&mut stranger, "app").await {
        let refused = refused.unwrap();
        assert_eq!(refused.code(), Code::Unauthenticated, "{operation}");
        assert_eq!(refused.reason(), "CREDENTIALS_INVALID", "{operation}");
    }
}

#[tokio::test]
async fn a_manager_is_answered_alike_for_a_tenant_of_others_whether_it_exists_or_not() {
    let office = Office::open().await;
    let mut clerk = office.desk(&office.keys.clerk).await;
    let mut told = Vec::new();
    for id in ["app", "nobody"] {
        let mut answers = every_operation(&mut clerk, id).await;
        let created = clerk.create(id, office.webhook()).await.err();
        answers.push(("create", created));
        // Also if the request is wrong besides.
        let created = clerk.create(id, api::Tenant::default()).await.err();
        answers.push(("create badly", created));
        let answers: Vec<(&str, String, String)> = answers
            .into_iter()
            .map(|(operation, refused)| {
                let refused = refused.unwrap();
                assert_eq!(refused.reason(), "TENANT_NOT_PERMITTED", "{operation}");
                assert_eq!(refused.metadata_value("tenantId"), None);
                (
                    operation,
                    refused.code().to_string(),
                    refused.message().to_owned(),
                )
            })
            .collect();
        told.push(answers);
    }
    assert_eq!(told[0], told[1]);
}

#[tokio::test]
async fn a_manager_manages_what_it_was_granted() {
    let office = Office::open().await;
    let mut clerk = office.desk(&office.keys.clerk).await;
    assert_eq!(
        clerk.get("acme").await.unwrap_err().reason(),
        "TENANT_NOT_FOUND"
    );
    clerk.create("acme", office.webhook()).await.unwrap();
    clerk.create("beta", office.webhook()).await.unwrap();
    office
        .manager()
        .await
        .create("other", office.webhook())
        .await
        .unwrap();
    let page = clerk
        .list(api::ListTenantsRequest::default())
        .await
        .unwrap();
    let names: Vec<&str> = page
        .tenants
        .iter()
        .map(|tenant| tenant.name.as_str())
        .collect();
    assert_eq!(names, ["tenants/acme", "tenants/beta"]);
    assert_eq!(page.next_page_token, "");

    let request = api::ListTenantsRequest {
        page_size: 1,
        ..Default::default()
    };
    let first = clerk.list(request.clone()).await.unwrap();
    assert_eq!(first.tenants.len(), 1);
    let request = api::ListTenantsRequest {
        page_token: first.next_page_token,
        ..request
    };
    let last = clerk.list(request).await.unwrap();
    assert_eq!(last.tenants[0].name, "tenants/beta");
    assert_eq!(last.next_page_token, "");
    clerk.delete("acme", "").await.unwrap();
}

#[tokio::test]
async fn without_authentication_everybody_manages() {
    use crate::support::Service;
    use bitrix24_openlines::api::openlines::tenants::v1::tenant_service_client::TenantServiceClient;
    use bitrix24_openlines::testing::auth::NewKey;

    let key = NewKey::generate().unwrap();
    let auth = "auth: {mode: dangerous_none}\n";
    let service = Service::with_auth(key, auth, &[], "tenants: []\n").await;
    let mut client = TenantServiceClient::new(service.channel().await);
    let listed = client
        .list_tenants(api::ListTenantsRequest::default())
        .await;
    assert!(listed.unwrap().into_inner().tenants.is_empty());
}
