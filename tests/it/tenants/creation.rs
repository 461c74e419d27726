//! Tenants are created, and used at once.

use bitrix24_openlines::api::openlines::tenants::v1 as api;
use bitrix24_openlines::api::openlines::tenants::v1::tenant::{Credentials, Origin, State};
use sandbox::demo;
use tonic::Code;

use super::office::{Office, application, application_of, webhook};
use crate::support::Told;

const PORTAL: &str = "acme.bitrix24.com";

#[tokio::test]
async fn a_created_tenant_is_shown_without_its_secret_and_works_at_once() {
    let office = Office::open().await;
    let mut desk = office.manager().await;
    // Asked for before: that it did not exist must not be remembered.
    assert_eq!(
        office.send("acme").await.unwrap_err().reason(),
        "TENANT_NOT_PERMITTED"
    );

    let tenant = api::Tenant {
        display_name: "Акме, GmbH".to_owned(),
        ..office.webhook()
    };
    let created = desk.create("acme", tenant).await.unwrap();
    assert_eq!(created.name, "tenants/acme");
    assert_eq!(created.display_name, "Акме, GmbH");
    assert_eq!(created.portal, office.portal());
    assert_eq!(created.state(), State::Active);
    assert_eq!(created.origin(), Origin::Api);
    assert!(!created.etag.is_empty());
    assert_eq!(created.create_time, created.update_time);
    assert!(created.create_time.as_ref().unwrap().seconds > 1_700_000_000);
    let expected = api::WebhookCredentials {
        user_id: demo::OWNER,
        secret: String::new(),
        has_secret: true,
    };
    assert_eq!(created.credentials, Some(Credentials::Webhook(expected)));
    assert_eq!(desk.get("acme").await.unwrap(), created);
    office.send("acme").await.unwrap();
}

#[tokio::test]
async fn an_application_is_shown_by_what_is_known_of_its_tokens() {
    let office = Office::open().await;
    let mut desk = office.manager().await;
    let expiry = prost_types::Timestamp {
        seconds: 4_000_000_000,
        nanos: 0,
    };
    let credentials = api::ApplicationCredentials {
        access_token_expire_time: Some(expiry),
        application_token: "events".to_owned(),
        authorization_server: format!("{}/rest/", office.portal()),
        ..application_of(&office.application()).clone()
    };
    let tenant = application(&office.portal(), credentials);
    let created = desk.create("acme", tenant).await.unwrap();
    let expected = api::ApplicationCredentials {
        client_id: demo::CLIENT_ID.to_owned(),
        authorization_server: office.portal(),
        access_token_expire_time: Some(expiry),
        has_client_secret: true,
        has_application_token: true,
        has_access_token: true,
        has_refresh_token: true,
        token_generation: 1,
        ..Default::default()
    };
    assert_eq!(application_of(&created), &expected);
    office.send("acme").await.unwrap();
}

#[tokio::test]
async fn a_tenant_with_a_refresh_token_alone_buys_its_first_access_token_with_the_first_call() {
    let office = Office::open().await;
    let mut desk = office.manager().await;
    let credentials = api::ApplicationCredentials {
        access_token: String::new(),
        ..application_of(&office.application()).clone()
    };
    let tenant = application(&office.portal(), credentials);
    let created = desk.create("acme", tenant).await.unwrap();
    assert!(!application_of(&created).has_access_token);
    office.send("acme").await.unwrap();
    let used = desk.get("acme").await.unwrap();
    assert!(application_of(&used).has_access_token);
    assert!(application_of(&used).token_generation > application_of(&created).token_generation);
    assert_ne!(used.etag, created.etag);
    assert_eq!(office.sandbox.record().refreshes(), 1);
}

#[tokio::test]
async fn what_only_the_service_says_is_ignored_in_a_request() {
    let office = Office::open().await;
    let mut desk = office.manager().await;
    let tenant = api::Tenant {
        name: "tenants/somebody-else".to_owned(),
        state: State::Disabled.into(),
        reauthorization: Some(api::Reauthorization::default()),
        member_id: "nonsense!".to_owned(),
        origin: Origin::File.into(),
        etag: "nonsense".to_owned(),
        create_time: Some(prost_types::Timestamp::default()),
        update_time: Some(prost_types::Timestamp::default()),
        ..office.webhook()
    };
    let created = desk.create("acme", tenant).await.unwrap();
    assert_eq!(created.name, "tenants/acme");
    assert_eq!(created.state(), State::Active);
    assert_eq!(created.origin(), Origin::Api);
    assert_eq!(
        (created.member_id.as_str(), created.reauthorization),
        ("", None)
    );
    assert!(created.create_time.unwrap().seconds > 1_700_000_000);
}

#[tokio::test]
async fn an_id_is_given_once() {
    let office = Office::open().await;
    let mut desk = office.manager().await;
    for id in ["acme", "app"] {
        let _ = desk.create(id, office.webhook()).await;
        let refused = desk
            .create(id, webhook(PORTAL, 7, "other"))
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Code::AlreadyExists);
        assert_eq!(refused.reason(), "TENANT_ALREADY_EXISTS");
        let details = refused.details_of();
        let resource = details.resource_info().unwrap();
        assert_eq!(resource.resource_type, "openlines.bitrix24/Tenant");
        assert_eq!(resource.resource_name, format!("tenants/{id}"));
        assert_eq!(refused.metadata_value("tenantId").as_deref(), Some(id));
    }
    assert_eq!(desk.get("acme").await.unwrap().portal, office.portal());
}

/// Creates a tenant that breaks rules, and says which.
async fn violations(office: &Office, id: &str, tenant: api::Tenant) -> Vec<(String, String)> {
    let refused = office.manager().await.create(id, tenant).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert_eq!(refused.reason(), "INVALID_REQUEST");
    refused.violations()
}

fn expected(list: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(field, rule): &(&str, &str)| ((*field).to_owned(), (*rule).to_owned());
    list.iter().map(owned).collect()
}

#[tokio::test]
async fn all_violations_are_told_at_once() {
    let office = Office::open().await;
    let tenant = api::Tenant {
        display_name: "x\n".repeat(101),
        ..webhook("https://acme.bitrix24.com/rest/1/s3cr3t/", -1, "s/e")
    };
    assert_eq!(
        violations(&office, "Acme", tenant).await,
        expected(&[
            ("tenant_id", "TENANT_ID"),
            ("tenant.display_name", "TOO_LONG"),
            ("tenant.display_name", "CHARACTERS"),
            ("tenant.portal", "PORTAL_ADDRESS"),
            ("tenant.webhook.user_id", "NOT_POSITIVE"),
            ("tenant.webhook.secret", "CHARACTERS"),
        ])
    );
    let tenant = application(
        "acme.example",
        api::ApplicationCredentials {
            client_id: "a b".to_owned(),
            client_secret: "ä".to_owned(),
            authorization_server: "oauth.example".to_owned(),
            application_token: "a\n".to_owned(),
            access_token: "a b".to_owned(),
            access_token_expire_time: Some(prost_types::Timestamp {
                seconds: i64::MAX,
                nanos: 0,
            }),
            refresh_token: "x".repeat(4097),
            ..Default::default()
        },
    );
    assert_eq!(
        violations(&office, "", tenant).await,
        expected(&[
            ("tenant_id", "REQUIRED"),
            ("tenant.portal", "PORTAL_ADDRESS"),
            ("tenant.application.client_id", "CLIENT_ID"),
            ("tenant.application.client_secret", "CHARACTERS"),
            (
                "tenant.application.authorization_server",
                "AUTHORIZATION_SERVER"
            ),
            ("tenant.application.application_token", "CHARACTERS"),
            ("tenant.application.access_token", "CHARACTERS"),
            ("tenant.application.access_token_expire_time", "TIME"),
            ("tenant.application.refresh_token", "TOO_LONG"),
        ])
    );
}

#[tokio::test]
async fn what_is_missing_is_told() {
    let office = Office::open().await;
    let of = |credentials| application(PORTAL, credentials);
    for (tenant, missing) in [
        (
            api::Tenant::default(),
            expected(&[
                ("tenant.portal", "REQUIRED"),
                ("tenant.credentials", "REQUIRED"),
            ]),
        ),
        (
            webhook("", 0, ""),
            expected(&[
                ("tenant.portal", "REQUIRED"),
                ("tenant.webhook.user_id", "REQUIRED"),
                ("tenant.webhook.secret", "REQUIRED"),
            ]),
        ),
        (
            of(api::ApplicationCredentials::default()),
            expected(&[("tenant.application", "TOKEN_REQUIRED")]),
        ),
        (
            of(api::ApplicationCredentials {
                refresh_token: "r".to_owned(),
                ..Default::default()
            }),
            expected(&[("tenant.application.client_id", "REQUIRED")]),
        ),
        (
            of(api::ApplicationCredentials {
                access_token: "a".to_owned(),
                client_secret: "s".to_owned(),
                ..Default::default()
            }),
            expected(&[("tenant.application.client_id", "REQUIRED")]),
        ),
        (
            of(api::ApplicationCredentials {
                client_id: "local.unknown.1".to_owned(),
                refresh_token: "r".to_owned(),
                ..Default::default()
            }),
            expected(&[("tenant.application.client_secret", "REQUIRED")]),
        ),
    ] {
        assert_eq!(violations(&office, "acme", tenant).await, missing);
    }
    let mut desk = office.manager().await;
    let request = api::CreateTenantRequest {
        tenant_id: "acme".to_owned(),
        tenant: None,
    };
    let request = crate::support::with_key(request, &office.keys.manager);
    let refused = desk.client.create_tenant(request).await.unwrap_err();
    assert_eq!(refused.violations(), expected(&[("tenant", "REQUIRED")]));
}

#[tokio::test]
async fn what_is_missing_is_told_together_with_what_is_wrong() {
    let office = Office::open().await;
    let tenant = webhook("acme.example", 0, "s/e");
    assert_eq!(
        violations(&office, "Acme", tenant).await,
        expected(&[
            ("tenant_id", "TENANT_ID"),
            ("tenant.portal", "PORTAL_ADDRESS"),
            ("tenant.webhook.secret", "CHARACTERS"),
            ("tenant.webhook.user_id", "REQUIRED"),
        ])
    );
}

#[tokio::test]
async fn no_violation_quotes_what_was_entered() {
    let office = Office::open().await;
    let canary = "s3cr3t/canary".to_owned();
    let tenant = api::Tenant {
        display_name: canary.repeat(20),
        ..application(
            &canary,
            api::ApplicationCredentials {
                client_id: canary.clone(),
                client_secret: format!("{canary} "),
                authorization_server: canary.clone(),
                application_token: format!("{canary} "),
                access_token: format!("{canary} "),
                refresh_token: format!("{canary} "),
                ..Default::default()
            },
        )
    };
    let refused = office
        .manager()
        .await
        .create(&canary, tenant)
        .await
        .unwrap_err();
    assert_eq!(refused.violations().len(), 9);
    assert!(!format!("{refused:?}").contains("canary"), "{refused:?}");
    let details = String::from_utf8_lossy(refused.details()).into_owned();
    assert!(!details.contains("canary"), "{details}");
}

#[tokio::test]
async fn an_application_of_the_settings_needs_no_secret_of_its_own() {
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), demo::CLIENT_SECRET).unwrap();
    let office = Office::with_applications(&format!(
        "applications:\n- {{name: chat, client_id: {}, client_secret: {{file: '{}'}}}}\n",
        demo::CLIENT_ID,
        secret.path().display()
    ))
    .await;
    let credentials = api::ApplicationCredentials {
        client_secret: String::new(),
        access_token: String::new(),
        ..application_of(&office.application()).clone()
    };
    let tenant = application(&office.portal(), credentials);
    let created = office.manager().await.create("acme", tenant).await.unwrap();
    assert!(!application_of(&created).has_client_secret);
    office.send("acme").await.unwrap();
}
