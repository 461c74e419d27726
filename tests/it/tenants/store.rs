//! What is told when the store cannot do its part.

use std::path::PathBuf;
use std::time::Duration;

use bitrix24_openlines::api::openlines::tenants::v1 as api;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Executor, SqliteConnection};
use tonic::Code;

use super::office::{Office, name, webhook};
use crate::support::{Told, with_key};

/// A second way into the database of an office.
async fn database(office: &Office) -> SqliteConnection {
    let file: PathBuf = office.folder.path().join("store.db");
    let options = SqliteConnectOptions::new().filename(file);
    options.connect().await.unwrap()
}

#[tokio::test]
async fn a_tenant_whose_secrets_do_not_open_is_named_and_hides_no_other() {
    let office = Office::open().await;
    let mut desk = office.manager().await;
    for id in ["acme", "beta", "ghost"] {
        desk.create(id, webhook("a.bitrix24.com", 1, "secret"))
            .await
            .unwrap();
    }
    let copied = "UPDATE tenants SET webhook_secret = \
        (SELECT webhook_secret FROM tenants WHERE id = 'acme') WHERE id = 'beta'";
    database(&office).await.execute(copied).await.unwrap();

    for refused in [
        desk.get("beta").await.unwrap_err(),
        desk.disable("beta", "").await.unwrap_err(),
        desk.update("beta", webhook("", 0, "n3w"), &[])
            .await
            .unwrap_err(),
        desk.verify("beta").await.unwrap_err(),
    ] {
        assert_eq!(refused.code(), Code::FailedPrecondition);
        assert_eq!(refused.reason(), "TENANT_SEALED");
        let details = refused.details_of();
        let violation = &details.precondition_failure().unwrap().violations[0];
        assert_eq!(violation.subject, "tenants/beta");
    }
    let keys = [&office.keys.manager, &office.keys.clerk];
    for (key, shown) in keys.into_iter().zip([4, 2]) {
        let mut desk = office.desk(key).await;
        let mut request = api::ListTenantsRequest::default();
        let page = desk.list(request.clone()).await.unwrap();
        assert_eq!(page.tenants.len(), shown);
        assert_eq!(page.unreachable, ["tenants/beta"]);
        // It counts as one of the page.
        request.page_size = 1;
        let mut unreachable = Vec::new();
        for _ in 0..shown + 1 {
            let page = desk.list(request.clone()).await.unwrap();
            assert_eq!(page.tenants.len() + page.unreachable.len(), 1);
            unreachable.extend(page.unreachable);
            request.page_token = page.next_page_token;
        }
        assert_eq!((request.page_token.as_str(), unreachable.len()), ("", 1));
    }
    desk.delete("beta", "").await.unwrap();
    desk.create("beta", office.webhook()).await.unwrap();
    office.send("beta").await.unwrap();
}

#[tokio::test]
async fn a_store_that_does_not_write_leaves_the_outcome_open_and_still_reads() {
    let office = Office::open().await;
    let mut desk = office.manager().await;
    let created = desk.create("acme", office.webhook()).await.unwrap();
    let mut lock = database(&office).await;
    lock.execute("BEGIN IMMEDIATE").await.unwrap();

    let refused = desk.disable("acme", "").await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert_eq!(refused.reason(), "STORE_UNAVAILABLE");
    assert_eq!(refused.outcome(), "unknown");
    assert!(refused.details_of().retry_info().is_some());
    assert_eq!(desk.get("acme").await.unwrap(), created);
    office.send("acme").await.unwrap();

    // A caller with less patience than the store is told that nobody knows, and its change is made
    // when it can be.
    let request = api::DisableTenantRequest {
        name: name("acme"),
        ..Default::default()
    };
    let mut request = with_key(request, &office.keys.manager);
    request.set_timeout(Duration::from_millis(200));
    let late = desk.client.disable_tenant(request).await.unwrap_err();
    assert!(
        matches!(late.code(), Code::DeadlineExceeded | Code::Cancelled),
        "{late:?}"
    );
    if !late.details().is_empty() {
        assert_eq!(late.reason(), "OUTCOME_UNKNOWN");
        assert_eq!(late.outcome(), "unknown");
    }
    lock.execute("ROLLBACK").await.unwrap();
    let patience = std::time::Instant::now() + Duration::from_secs(10);
    while desk.get("acme").await.unwrap().state() != api::tenant::State::Disabled {
        assert!(std::time::Instant::now() < patience);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
