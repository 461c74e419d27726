//! Who may call, and for which tenants: every refusal comes before anything is sent.

mod certificates;
mod followed;
mod methods;
mod tokens;

use bitrix24_openlines::api::json;
use bitrix24_openlines::api::openlines::v1 as api;
use bitrix24_openlines::testing::auth::NewKey;
use futures_util::stream;
use prost::Message;
use sandbox::{Portal, Sandbox};
use tokio::net::TcpListener;
use tonic::{Code, Request, Status};

use crate::support::raw::{RawClient, SERVICE, framed};
use crate::support::requests::{
    connector_message, connector_messages, crm_message, network_message,
};
use crate::support::{APPLICATION, Service, Told, WEBHOOK, World, caller, tenants, with_key};

/// What every refusal here has: code, reason, nothing executed, decided by the facade.
fn assert_refused(status: &Status, code: Code, reason: &str) {
    assert_eq!(
        (status.code(), status.reason().as_str()),
        (code, reason),
        "{status:?}"
    );
    assert_eq!(status.outcome(), "not_executed");
    assert_eq!(
        status.metadata_value("errorSource").as_deref(),
        Some("facade")
    );
    let details = status.details_of();
    assert_eq!(details.error_info().unwrap().domain, "openlines.bitrix24");
    assert!(!details.request_info().unwrap().request_id.is_empty());
}

/// Calls with these values of the header `authorization`.
async fn with_authorization(world: &World, values: &[&str]) -> Status {
    let headers: Vec<_> = values
        .iter()
        .map(|value| ("authorization", *value))
        .collect();
    let body = framed(&crm_message("text").encode_to_vec());
    let client = RawClient::connect(world.service.address).await;
    let path = format!("{SERVICE}/SendCrmMessage");
    let answer = client
        .call_bytes(&path, &headers, stream::iter([body]))
        .await;
    answer.unwrap().status()
}

#[tokio::test]
async fn a_call_without_a_key_lacks_its_credentials() {
    let world = World::start().await;
    let status = with_authorization(&world, &[]).await;
    assert_refused(&status, Code::Unauthenticated, "CREDENTIALS_MISSING");
    let mut client = world.client().await;
    let status = client
        .send_network_message(network_message("text"))
        .await
        .unwrap_err();
    assert_refused(&status, Code::Unauthenticated, "CREDENTIALS_MISSING");
    let request = connector_messages(vec![connector_message("m", "text")]);
    let status = client.send_connector_messages(request).await.unwrap_err();
    assert_refused(&status, Code::Unauthenticated, "CREDENTIALS_MISSING");
    assert_eq!(world.sandbox.record().entries, []);
}

#[tokio::test]
async fn a_key_that_is_malformed_unknown_or_given_twice_is_invalid() {
    let world = World::start().await;
    let key = world.service.key.expose();
    let good = format!("Bearer {key}");
    let other = NewKey::generate().unwrap();
    // The id of the known key with the secret of another one.
    let (id, _) = key.rsplit_once('_').unwrap();
    let (_, secret) = other.expose().rsplit_once('_').unwrap();
    let values: [&[&str]; 9] = [
        &[""],
        &["Bearer"],
        &["Bearer "],
        &[key],
        &[&format!("Basic {key}")],
        &[&format!("Bearer {}", &key[1..])],
        &[&format!("Bearer {}", other.expose())],
        &[&format!("Bearer {id}_{secret}")],
        &[&good, &good],
    ];
    for values in values {
        let status = with_authorization(&world, values).await;
        assert_refused(&status, Code::Unauthenticated, "CREDENTIALS_INVALID");
    }
    assert_eq!(world.sandbox.record().entries, []);
    assert_eq!(with_authorization(&world, &[&good]).await.code(), Code::Ok);
}

#[tokio::test]
async fn a_key_in_another_form_is_told_what_is_wrong_with_it_and_never_what_it_is() {
    let world = World::start().await;
    let key = world.service.key.expose();
    let (begin, secret) = key.rsplit_once('_').unwrap();
    let id = &begin["b24f_".len()..];
    for (value, told) in [
        (
            key.to_owned(),
            "`Bearer ` is missing in front of the credential",
        ),
        (
            format!("Bearer  {key}"),
            "blanks or quotes stand around the credential",
        ),
        (
            format!("Bearer '{key}'"),
            "blanks or quotes stand around the credential",
        ),
        (
            format!("Bearer {id}_{secret}"),
            "the API key lacks its beginning",
        ),
        (format!("Bearer {}", &key[..30]), "the API key is not whole"),
        (
            format!("ApiKey {key}"),
            "its scheme is another one than Bearer",
        ),
    ] {
        let status = with_authorization(&world, &[&value]).await;
        assert_refused(&status, Code::Unauthenticated, "CREDENTIALS_INVALID");
        assert!(status.message().contains(told), "{status:?}");
        assert!(!format!("{status:?}").contains(id), "{status:?}");
    }
    let mut request = Request::new(crm_message("text"));
    request
        .metadata_mut()
        .insert("x-api-key", key.parse().unwrap());
    let status = world.client().await.send_crm_message(request).await;
    let status = status.unwrap_err();
    assert_refused(&status, Code::Unauthenticated, "CREDENTIALS_MISSING");
    let told = "send the API key as `authorization: Bearer <API key>`";
    assert!(status.message().contains(told), "{status:?}");
    assert_eq!(world.sandbox.record().entries, []);
}

#[tokio::test]
async fn an_unknown_key_and_a_wrong_secret_are_told_alike() {
    let world = World::start().await;
    let other = NewKey::generate().unwrap();
    let (id, _) = world.service.key.expose().rsplit_once('_').unwrap();
    let (_, secret) = other.expose().rsplit_once('_').unwrap();
    let unknown = with_authorization(&world, &[&format!("Bearer {}", other.expose())]).await;
    let wrong = with_authorization(&world, &[&format!("Bearer {id}_{secret}")]).await;
    assert_eq!(unknown.message(), wrong.message());
    let info = |status: &Status| status.details_of().error_info().unwrap().clone();
    assert_eq!(info(&unknown).reason, info(&wrong).reason);
    assert_eq!(info(&unknown).metadata, info(&wrong).metadata);
}

#[tokio::test]
async fn the_name_of_the_scheme_has_no_case() {
    let world = World::start().await;
    let header = format!("bEARER {}", world.service.key.expose());
    assert_eq!(
        with_authorization(&world, &[&header]).await.code(),
        Code::Ok
    );
}

/// A service with a second caller, who may act for the tenants `app` and `ghost`; there is no
/// `ghost`.
async fn with_limited_caller() -> (Sandbox, Service, NewKey) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let sandbox = Sandbox::start(listener, vec![Portal::demo()]).unwrap();
    let (key, limited) = (NewKey::generate().unwrap(), NewKey::generate().unwrap());
    let auth = format!(
        "{}  - {{name: limited, tenants: [{APPLICATION}, ghost], keys: ['{}']}}\n",
        caller(&key),
        limited.entry()
    );
    let service = Service::with_auth(key, &auth, &[], &tenants(sandbox.address())).await;
    (sandbox, service, limited)
}

fn for_tenant(tenant: &str) -> api::SendCrmMessageRequest {
    api::SendCrmMessageRequest {
        tenant_id: tenant.to_owned(),
        ..crm_message("text")
    }
}

/// The same request id for all, so that the whole statuses can be compared.
async fn refused_for(
    service: &Service,
    key: &NewKey,
    request: api::SendCrmMessageRequest,
) -> Status {
    let mut request = with_key(request, key.expose());
    let request_id = "the-same".parse().unwrap();
    request.metadata_mut().insert("x-request-id", request_id);
    service
        .client()
        .await
        .send_crm_message(request)
        .await
        .unwrap_err()
}

/// A status with all its details.
fn whole(status: &Status) -> serde_json::Value {
    serde_json::from_str(&json::of_status(status).unwrap()).unwrap()
}

#[tokio::test]
async fn a_forbidden_tenant_and_one_that_does_not_exist_are_told_alike() {
    let (sandbox, service, limited) = with_limited_caller().await;
    let mut statuses = Vec::new();
    // Forbidden; granted and not there; neither.
    for tenant in [WEBHOOK, "ghost", "nobody"] {
        let status = refused_for(&service, &limited, for_tenant(tenant)).await;
        assert_refused(&status, Code::PermissionDenied, "TENANT_NOT_PERMITTED");
        statuses.push(status);
    }
    let [forbidden, others @ ..] = statuses.as_slice() else {
        panic!("no statuses")
    };
    for other in others {
        assert_eq!(forbidden.message(), other.message());
        assert_eq!(whole(forbidden), whole(other));
    }
    assert_eq!(forbidden.metadata_value("tenantId"), None);
    // Nor does a fault of the request tell the tenants apart.
    for tenant in [WEBHOOK, "ghost"] {
        let broken = api::SendCrmMessageRequest {
            text: String::new(),
            request_id: "once".to_owned(),
            ..for_tenant(tenant)
        };
        let status = refused_for(&service, &limited, broken).await;
        assert_refused(&status, Code::PermissionDenied, "TENANT_NOT_PERMITTED");
    }
    assert_eq!(sandbox.record().entries, []);
}

#[tokio::test]
async fn a_caller_acts_for_the_tenants_it_was_granted() {
    let (sandbox, service, limited) = with_limited_caller().await;
    let mut client = service.client().await;
    let request = with_key(for_tenant(APPLICATION), limited.expose());
    client.send_crm_message(request).await.unwrap();
    let request = service.request(for_tenant(WEBHOOK));
    client.send_crm_message(request).await.unwrap();
    assert_eq!(sandbox.record().times_delivered("text"), 2);
}

#[tokio::test]
async fn a_webhook_cannot_send_connector_messages() {
    let world = World::start().await;
    let mut request = connector_messages(vec![connector_message("m", "text")]);
    request.tenant_id = WEBHOOK.to_owned();

    let status = world.send(request).await.unwrap_err();
    assert_refused(
        &status,
        Code::FailedPrecondition,
        "WRONG_AUTHORIZATION_TYPE",
    );
    assert_eq!(status.metadata_value("tenantId").as_deref(), Some(WEBHOOK));
    let details = status.details_of();
    let violation = &details.precondition_failure().unwrap().violations[0];
    assert_eq!(
        (violation.r#type.as_str(), violation.subject.as_str()),
        ("WRONG_AUTHORIZATION_TYPE", "tenants/hook")
    );
    assert!(details.help().is_some());
    assert_eq!(world.sandbox.record().entries, []);
}

#[tokio::test]
async fn a_malformed_request_id_is_a_violation_like_any_other() {
    let world = World::start().await;
    let mut request = crm_message("");
    request.request_id = "once".to_owned();

    let status = world.send(request).await.unwrap_err();
    assert_refused(&status, Code::InvalidArgument, "INVALID_REQUEST");
    let fields: Vec<_> = status
        .violations()
        .into_iter()
        .map(|(field, _)| field)
        .collect();
    assert_eq!(fields, ["request_id", "text"]);
}

#[tokio::test]
async fn the_key_is_asked_for_before_the_request_is_looked_at() {
    let world = World::start().await;
    let nothing = api::SendCrmMessageRequest::default();
    let mut client = world.client().await;
    let status = client.send_crm_message(nothing.clone()).await.unwrap_err();
    assert_refused(&status, Code::Unauthenticated, "CREDENTIALS_MISSING");
    assert_eq!(status.violations(), []);
    let unknown = NewKey::generate().unwrap();
    let request = with_key(nothing.clone(), unknown.expose());
    let status = client.send_crm_message(request).await.unwrap_err();
    assert_refused(&status, Code::Unauthenticated, "CREDENTIALS_INVALID");
    let status = client
        .send_crm_message(world.request(nothing))
        .await
        .unwrap_err();
    assert_refused(&status, Code::InvalidArgument, "INVALID_REQUEST");
}

#[tokio::test]
async fn without_authentication_everybody_on_this_machine_may_call() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let sandbox = Sandbox::start(listener, vec![Portal::demo()]).unwrap();
    let auth = "auth: {mode: dangerous_none}\n";
    let key = NewKey::generate().unwrap();
    let service = Service::with_auth(key, auth, &[], &tenants(sandbox.address())).await;
    let mut client = service.client().await;
    client
        .send_crm_message(crm_message("without"))
        .await
        .unwrap();
    let mut request = Request::new(crm_message("nonsense"));
    let nonsense = "nonsense".parse().unwrap();
    request.metadata_mut().insert("authorization", nonsense);
    client.send_crm_message(request).await.unwrap();
    let record = sandbox.record();
    assert_eq!(
        (
            record.times_delivered("without"),
            record.times_delivered("nonsense")
        ),
        (1, 1)
    );
}
