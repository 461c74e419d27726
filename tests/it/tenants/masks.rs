//! Which fields an update is about.

use bitrix24_openlines::api::openlines::tenants::v1 as api;
use bitrix24_openlines::api::openlines::tenants::v1::tenant::{Credentials, State};
use tonic::Code;

use super::office::{Office, application, application_of, webhook};
use crate::support::Told;

const PORTAL: &str = "acme.bitrix24.com";

fn named(display_name: &str) -> api::Tenant {
    api::Tenant {
        display_name: display_name.to_owned(),
        ..Default::default()
    }
}

/// An application that nothing is sent for.
fn quiet() -> api::Tenant {
    api::Tenant {
        display_name: "Acme".to_owned(),
        ..application(
            PORTAL,
            api::ApplicationCredentials {
                client_id: "local.1.2".to_owned(),
                client_secret: "client-secret".to_owned(),
                application_token: "events".to_owned(),
                access_token: "access".to_owned(),
                refresh_token: "refresh".to_owned(),
                ..Default::default()
            },
        )
    }
}

#[tokio::test]
async fn without_a_mask_what_is_not_empty_is_set() {
    let office = Office::open().await;
    let mut desk = office.manager().await;
    let created = desk.create("acme", quiet()).await.unwrap();
    let updated = desk.update("acme", named("New"), &[]).await.unwrap();
    let expected = api::Tenant {
        display_name: "New".to_owned(),
        etag: updated.etag.clone(),
        update_time: updated.update_time,
        ..created.clone()
    };
    assert_eq!(updated, expected);
    assert_ne!(updated.etag, created.etag);

    let change = application(
        "",
        api::ApplicationCredentials {
            client_id: "local.3.4".to_owned(),
            ..Default::default()
        },
    );
    let updated = desk.update("acme", change, &[]).await.unwrap();
    let application = application_of(&updated);
    assert_eq!(application.client_id, "local.3.4");
    assert!(application.has_client_secret && application.has_refresh_token);
    assert_eq!(updated.display_name, "New");
    assert_eq!(desk.get("acme").await.unwrap(), updated);
}

#[tokio::test]
async fn a_field_that_is_named_and_empty_is_emptied() {
    let office = Office::open().await;
    let mut desk = office.manager().await;
    desk.create("acme", quiet()).await.unwrap();
    // With and without the message that the field stands in.
    let empty = application("", api::ApplicationCredentials::default());
    let paths = ["display_name", "application.application_token"];
    let updated = desk.update("acme", empty, &paths).await.unwrap();
    assert_eq!(updated.display_name, "");
    assert!(!application_of(&updated).has_application_token);
    let none = api::Tenant::default();
    let paths = ["application.access_token"];
    let updated = desk.update("acme", none, &paths).await.unwrap();
    assert!(!application_of(&updated).has_access_token);
    assert!(
        application_of(&updated).has_refresh_token && application_of(&updated).has_client_secret
    );

    for (path, missing) in [
        ("portal", "tenant.portal"),
        ("application.client_id", "tenant.application.client_id"),
        (
            "application.client_secret",
            "tenant.application.client_secret",
        ),
        ("application.refresh_token", "tenant.application"),
        ("application", "tenant.credentials"),
        ("*", "tenant.credentials"),
    ] {
        let refused = desk
            .update("acme", api::Tenant::default(), &[path])
            .await
            .unwrap_err();
        assert_eq!(refused.reason(), "INVALID_REQUEST", "{path}");
        let fields = refused.violations();
        assert!(
            fields.iter().any(|(field, _)| field == missing),
            "{path}: {fields:?}"
        );
    }
    assert_eq!(desk.get("acme").await.unwrap(), updated);
}

#[tokio::test]
async fn a_whole_replacement_keeps_the_secrets_that_nobody_can_read() {
    let office = Office::open().await;
    let mut desk = office.manager().await;
    desk.create("acme", quiet()).await.unwrap();
    // What was read is sent back with a change, as declarative tools do.
    for paths in [&["*"][..], &["application", "display_name"]] {
        let mut tenant = desk.get("acme").await.unwrap();
        tenant.display_name = format!("by {paths:?}");
        let updated = desk.update("acme", tenant.clone(), paths).await.unwrap();
        let expected = api::Tenant {
            etag: updated.etag.clone(),
            update_time: updated.update_time,
            ..tenant
        };
        assert_eq!(updated, expected);
        let application = application_of(&updated);
        assert_eq!(application.token_generation, 1);
        assert!(application.has_client_secret && application.has_access_token);
    }
    let mut tenant = desk.get("acme").await.unwrap();
    tenant.display_name = String::new();
    let Some(Credentials::Application(application)) = &mut tenant.credentials else {
        panic!("an application")
    };
    application.application_token = "other-events".to_owned();
    let updated = desk.update("acme", tenant, &["*"]).await.unwrap();
    assert_eq!(updated.display_name, "");
    assert!(application_of(&updated).has_refresh_token);
    // By itself, a secret is removed even if everything else is replaced.
    let paths = ["*", "application.application_token"];
    let updated = desk.update("acme", updated, &paths).await.unwrap();
    assert!(!application_of(&updated).has_application_token);
    assert!(application_of(&updated).has_refresh_token);
}

#[tokio::test]
async fn output_only_fields_in_a_mask_are_ignored() {
    let office = Office::open().await;
    let mut desk = office.manager().await;
    let created = desk.create("acme", quiet()).await.unwrap();
    let change = api::Tenant {
        state: State::Disabled.into(),
        member_id: "x".to_owned(),
        ..Default::default()
    };
    let paths = [
        "state",
        "member_id",
        "name",
        "create_time",
        "application.scopes",
    ];
    let updated = desk.update("acme", change, &paths).await.unwrap();
    assert_eq!(updated, created);
}

#[tokio::test]
async fn a_path_that_no_tenant_has_is_named() {
    let office = Office::open().await;
    let mut desk = office.manager().await;
    let created = desk.create("acme", quiet()).await.unwrap();
    let paths = [
        "display_name",
        "portl",
        "credentials",
        "webhook.token",
        "displayName",
    ];
    let refused = desk.update("acme", named("New"), &paths).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let fields = refused.violations();
    let expected: Vec<(String, String)> = (1..5)
        .map(|index| {
            (
                format!("update_mask.paths[{index}]"),
                "UNKNOWN_FIELD".to_owned(),
            )
        })
        .collect();
    assert_eq!(fields, expected);
    assert!(
        refused.message().contains("`portl`"),
        "{}",
        refused.message()
    );
    assert_eq!(desk.get("acme").await.unwrap(), created);
}

#[tokio::test]
async fn the_mask_names_the_credentials_that_the_request_has() {
    let office = Office::open().await;
    let mut desk = office.manager().await;
    desk.create("acme", quiet()).await.unwrap();
    let change = webhook("", 7, "secret");
    let paths = ["application.client_id"];
    let refused = desk.update("acme", change, &paths).await.unwrap_err();
    let expected = (
        "update_mask".to_owned(),
        "CREDENTIALS_OF_ANOTHER_KIND".to_owned(),
    );
    assert_eq!(refused.violations(), [expected]);
    // Credentials that the mask does not name are not looked at.
    let change = api::Tenant {
        display_name: "New".to_owned(),
        ..webhook("", 7, "secret")
    };
    let updated = desk
        .update("acme", change, &["display_name"])
        .await
        .unwrap();
    assert!(application_of(&updated).has_refresh_token);
}

#[tokio::test]
async fn an_update_without_a_tenant_or_a_name_is_refused() {
    let office = Office::open().await;
    let mut desk = office.manager().await;
    for (id, rule) in [
        ("", "REQUIRED"),
        ("x/acme", "TENANT_NAME"),
        ("tenants/A", "TENANT_NAME"),
    ] {
        let refused = desk.update(id, named("x"), &[]).await.unwrap_err();
        assert_eq!(
            refused.violations(),
            [("tenant.name".to_owned(), rule.to_owned())]
        );
    }
    let request =
        crate::support::with_key(api::UpdateTenantRequest::default(), &office.keys.manager);
    let refused = desk.client.update_tenant(request).await.unwrap_err();
    assert_eq!(
        refused.violations(),
        [("tenant".to_owned(), "REQUIRED".to_owned())]
    );
    let refused = desk.update("ghost", named("x"), &[]).await.unwrap_err();
    assert_eq!(
        (refused.code(), refused.reason().as_str()),
        (Code::NotFound, "TENANT_NOT_FOUND")
    );
    let details = refused.details_of();
    assert_eq!(
        details.resource_info().unwrap().resource_name,
        "tenants/ghost"
    );
}
