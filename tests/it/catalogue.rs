//! `ListErrorReasons`, compared with docs/errors.md.

use bitrix24_openlines::api::openlines::v1 as api;
use bitrix24_openlines::testing::auth::NewKey;
use tonic::{Code, Request};

use crate::support::{Service, Told as _, World};

/// The rows of the first table of docs/errors.md: reason, status, meaning, who acts, retry, remedy.
fn rows() -> Vec<Vec<String>> {
    let page = include_str!("../../docs/errors.md");
    let rows = page
        .lines()
        .filter(|line| line.starts_with("| `ERROR_REASON_"));
    let rows = rows.map(|row| row.trim_matches('|').split(" | "));
    let rows = rows.map(|cells| cells.map(|cell| cell.trim().to_owned()).collect());
    rows.collect()
}

#[tokio::test]
async fn the_catalogue_says_what_the_page_of_errors_says() {
    let world = World::start().await;
    let request = world.request(api::ListErrorReasonsRequest {});
    let response = world.client().await.list_error_reasons(request).await;
    let listed = response.unwrap().into_inner().error_reasons;
    let rows = rows();
    assert_eq!(listed.len(), rows.len());
    assert!(listed.len() > 50);
    for (described, row) in listed.iter().zip(&rows) {
        let [name, code, meaning, actor, retry, remedy] = &row[..] else {
            panic!("{row:?}");
        };
        assert_eq!(name.trim_matches('`'), described.name);
        assert_eq!(described.reason().as_str_name(), described.name);
        assert_eq!(*code, described.code_names[0]);
        assert_eq!(*meaning, described.description);
        assert_eq!(*remedy, described.remedy);
        assert_eq!(actor, actor_of(described.actor()), "{name}");
        assert_eq!(retry, retry_of(described.retry_safety()), "{name}");
        let codes = described.codes.iter().map(|code| Code::from_i32(*code));
        let names: Vec<_> = codes
            .map(bitrix24_openlines::testing::error::code_name)
            .collect();
        assert_eq!(names, described.code_names);
        assert_ne!(described.source(), api::ErrorSource::Unspecified);
    }
}

fn actor_of(actor: api::ErrorActor) -> &'static str {
    match actor {
        api::ErrorActor::Unspecified => "",
        api::ErrorActor::CallerDeveloper => "developer of the caller",
        api::ErrorActor::Operator => "operator of this service",
        api::ErrorActor::PortalAdministrator => "administrator of the portal",
        api::ErrorActor::Bitrix24Support => "Bitrix24's support",
        api::ErrorActor::Nobody => "no action; it passes with time",
        api::ErrorActor::ServiceDeveloper => "developers of this service",
    }
}

fn retry_of(safety: api::RetrySafety) -> &'static str {
    match safety {
        api::RetrySafety::Unspecified => "",
        api::RetrySafety::Safe => "yes",
        api::RetrySafety::AfterWait => "yes, after the time in RetryInfo",
        api::RetrySafety::AfterFix => "yes, but it fails until the cause is removed",
        api::RetrySafety::SeeOutcome => "only if `outcome` is `not_executed`",
        api::RetrySafety::MayDuplicate => {
            "only with the same `request_id`; otherwise the message may be delivered twice"
        }
    }
}

#[tokio::test]
async fn every_caller_may_read_it_and_nobody_else() {
    let key = NewKey::generate().unwrap();
    let auth = format!(
        "auth:\n  callers:\n  - {{name: shop, tenants: [hook], methods: [SendCrmMessage], \
         keys: ['{}']}}\n",
        key.entry()
    );
    let tenants = crate::support::tenants("127.0.0.1:1".parse().unwrap());
    let service = Service::with_auth(key, &auth, &[], &tenants).await;
    let mut client = service.client().await;
    let request = service.request(api::ListErrorReasonsRequest {});
    client.list_error_reasons(request).await.unwrap();
    let request = Request::new(api::ListErrorReasonsRequest {});
    let status = client.list_error_reasons(request).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    // The status of a call is something else: it names a tenant.
    let request = service.request(api::GetSendStatusRequest {
        tenant_id: "hook".to_owned(),
        request_id: uuid::Uuid::new_v4().to_string(),
    });
    let status = client.get_send_status(request).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    assert_eq!(status.reason(), "METHOD_NOT_PERMITTED");
}
