//! Tenants are switched off and on, and deleted.

use bitrix24_openlines::api::openlines::tenants::v1::tenant::State;
use tonic::Code;

use super::office::Office;
use crate::support::{Told, WEBHOOK};

#[tokio::test]
async fn a_disabled_tenant_is_refused_at_once_and_keeps_its_credentials() {
    let office = Office::open().await;
    let mut desk = office.manager().await;
    for id in ["acme", WEBHOOK] {
        let _ = desk.create(id, office.webhook()).await;
        office.send(id).await.unwrap();
        let disabled = desk.disable(id, "").await.unwrap();
        assert_eq!(disabled.state(), State::Disabled);
        let refused = office.send(id).await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition);
        assert_eq!(refused.reason(), "TENANT_DISABLED");
        // Twice is once.
        assert_eq!(desk.disable(id, "").await.unwrap(), disabled);
        assert_eq!(desk.enable(id, "").await.unwrap().state(), State::Active);
        office.send(id).await.unwrap();
    }
}

#[tokio::test]
async fn a_deleted_tenant_is_gone_at_once() {
    let office = Office::open().await;
    let mut desk = office.manager().await;
    desk.create("acme", office.webhook()).await.unwrap();
    office.send("acme").await.unwrap();
    desk.delete("acme", "").await.unwrap();
    assert_eq!(
        office.send("acme").await.unwrap_err().reason(),
        "TENANT_NOT_PERMITTED"
    );
    for gone in [
        desk.get("acme").await.unwrap_err(),
        desk.delete("acme", "").await.unwrap_err(),
        desk.delete("acme", "1-1").await.unwrap_err(),
        desk.disable("acme", "").await.unwrap_err(),
        desk.enable("acme", "").await.unwrap_err(),
        desk.verify("acme").await.unwrap_err(),
    ] {
        assert_eq!(gone.code(), Code::NotFound);
        assert_eq!(gone.reason(), "TENANT_NOT_FOUND");
    }
    desk.create("acme", office.webhook()).await.unwrap();
    office.send("acme").await.unwrap();
}

#[tokio::test]
async fn a_name_that_is_none_is_told_with_its_field() {
    let office = Office::open().await;
    let mut desk = office.manager().await;
    let long = format!("tenants/{}", "a".repeat(64));
    for (name, rule) in [
        ("", "REQUIRED"),
        ("tenants/", "TENANT_NAME"),
        ("tenants/A", "TENANT_NAME"),
        ("tenants/a/b", "TENANT_NAME"),
        ("tenant/a", "TENANT_NAME"),
        (&long, "TENANT_NAME"),
    ] {
        for refused in [
            desk.get(name).await.unwrap_err(),
            desk.disable(name, "").await.unwrap_err(),
            desk.enable(name, "").await.unwrap_err(),
            desk.delete(name, "").await.unwrap_err(),
            desk.verify(name).await.unwrap_err(),
        ] {
            let expected = ("name".to_owned(), rule.to_owned());
            assert_eq!(refused.violations(), [expected], "{name}");
        }
    }
}
