//! Credentials are tried.

use bitrix24_openlines::api::openlines::tenants::v1 as api;
use bitrix24_openlines::api::openlines::tenants::v1::verify_tenant_response::Verdict;
use bitrix24_openlines::api::openlines::v1::Bitrix24Error;
use prost::Message;
use sandbox::{Damage, Fault, FaultKind, Moment, demo};
use tonic_types::pb;

use super::office::{Desk, Office, application, application_of, webhook};
use crate::support::WEBHOOK;
use crate::support::portal::ScriptedPortal;

/// Enters a tenant and tries it.
async fn verified(desk: &mut Desk, tenant: api::Tenant) -> api::VerifyTenantResponse {
    let _ = desk.delete("acme", "").await;
    desk.create("acme", tenant).await.unwrap();
    desk.verify("acme").await.unwrap()
}

/// The reason of the status in an answer.
fn reason(verified: &api::VerifyTenantResponse) -> String {
    let error = verified.error.as_ref().unwrap();
    let info = pb::ErrorInfo::decode(error.details[0].value.as_slice()).unwrap();
    info.reason.trim_start_matches("ERROR_REASON_").to_owned()
}

#[tokio::test]
async fn a_webhook_that_works_is_said_to_work_and_does_nothing() {
    let office = Office::open().await;
    let mut desk = office.manager().await;
    let verified = verified(&mut desk, office.webhook()).await;
    assert_eq!(verified.verdict(), Verdict::Working, "{verified:?}");
    assert!(verified.scopes.iter().any(|scope| scope == "imopenlines"));
    assert!(verified.findings.is_empty() && verified.error.is_none());
    let record = office.sandbox.record();
    assert_eq!(record.entries.len(), 1);
    assert_eq!(record.deliveries().count(), 0);
    let before = desk.get(WEBHOOK).await.unwrap();
    assert_eq!(
        desk.verify(WEBHOOK).await.unwrap().verdict(),
        Verdict::Working
    );
    assert_eq!(desk.get(WEBHOOK).await.unwrap(), before);
}

#[tokio::test]
async fn a_webhook_that_the_portal_refuses_is_said_to_be_refused_in_its_words() {
    let office = Office::open().await;
    let mut desk = office.manager().await;
    let wrong = webhook(&office.portal(), demo::OWNER, "wrong");
    let verified = verified(&mut desk, wrong).await;
    assert_eq!(verified.verdict(), Verdict::Refused, "{verified:?}");
    assert_eq!(reason(&verified), "REAUTHORIZATION_REQUIRED");
    assert!(
        verified.explanation.contains("INVALID_CREDENTIALS"),
        "{}",
        verified.explanation
    );
    let details = verified.error.unwrap().details;
    let error = details
        .iter()
        .find(|detail| detail.type_url.ends_with("Bitrix24Error"))
        .map(|detail| Bitrix24Error::decode(detail.value.as_slice()).unwrap());
    assert_eq!(error.unwrap().method, "scope");
}

#[tokio::test]
async fn a_portal_that_does_not_answer_says_nothing_of_the_credentials() {
    let office = Office::open().await;
    let mut desk = office.manager().await;
    let nobody = webhook("http://127.0.0.1:1", 1, "s");
    let unreachable = verified(&mut desk, nobody).await;
    assert_eq!(unreachable.verdict(), Verdict::Unanswered);
    assert_eq!(reason(&unreachable), "PORTAL_UNREACHABLE");

    for kind in [
        FaultKind::Html(Moment::Before, 502),
        FaultKind::Reset(Moment::After),
        FaultKind::Damage(Damage::Truncated),
    ] {
        office.sandbox.inject(Fault::once(kind.clone()));
        let lost = desk.verify(WEBHOOK).await.unwrap();
        assert_eq!(lost.verdict(), Verdict::Unanswered, "{kind:?} {lost:?}");
        assert!(
            !lost.explanation.contains("message"),
            "{}",
            lost.explanation
        );
        office.sandbox.clear_faults();
    }
}

#[tokio::test]
async fn an_odd_response_to_a_trial_is_never_told_as_a_message_that_was_sent() {
    let office = Office::open().await;
    let mut desk = office.manager().await;
    for answer in [
        r#"{"result": true}"#,
        r#"{"result": "imopenlines"}"#,
        r#"{"result": ["imopenlines", 7]}"#,
        r#"{"result": {"scope": ["imopenlines"]}}"#,
        r#"{"result": [], "error": "INTERNAL_SERVER_ERROR"}"#,
        r#"{"error": "ERROR_UNEXPECTED_ANSWER", "error_description": "Server returned an unexpected response"}"#,
        r#"{"something": "else"}"#,
        r#"{"result": ["imop"#,
        "",
        "<html>Bad gateway</html>",
    ] {
        let portal = ScriptedPortal::answering(answer).await;
        let tenant = webhook(&format!("http://{}", portal.address), 1, "s");
        let odd = verified(&mut desk, tenant).await;
        assert_eq!(odd.verdict(), Verdict::Unanswered, "{answer}: {odd:?}");
        let error = odd.error.as_ref().unwrap();
        for told in [&odd.explanation, &error.message] {
            assert!(told.contains("nothing was sent"), "{answer}: {told}");
            for untrue in ["accepted", "delivered", "Do not retry", "twice"] {
                assert!(!told.contains(untrue), "{answer}: {told}");
            }
        }
        let info = pb::ErrorInfo::decode(error.details[0].value.as_slice()).unwrap();
        assert_eq!(
            info.metadata["outcome"], "not_executed",
            "{answer}: {info:?}"
        );
    }
}

#[tokio::test]
async fn a_missing_permission_is_found() {
    let office = Office::open().await;
    let mut desk = office.manager().await;
    let poor = ScriptedPortal::answering(r#"{"result": ["crm", "im"]}"#).await;
    let poor = webhook(&format!("http://{}", poor.address), 1, "s");
    let verified = verified(&mut desk, poor).await;
    assert_eq!(verified.verdict(), Verdict::Working);
    assert_eq!(verified.scopes, ["crm", "im"]);
    assert_eq!(verified.findings.len(), 1);
    assert_eq!(verified.findings[0].field, "webhook");
    assert!(verified.findings[0].description.contains("`imopenlines`"));
}

#[tokio::test]
async fn an_application_that_works_is_said_to_work() {
    let office = Office::open().await;
    let mut desk = office.manager().await;
    let verified = verified(&mut desk, office.application()).await;
    assert_eq!(verified.verdict(), Verdict::Working, "{verified:?}");
    assert!(verified.error.is_none());
    assert_eq!(office.sandbox.record().refreshes(), 0);
}

#[tokio::test]
async fn an_access_token_that_has_expired_is_refreshed_for_the_trial() {
    let office = Office::open().await;
    let mut desk = office.manager().await;
    let expired = api::ApplicationCredentials {
        access_token_expire_time: Some(prost_types::Timestamp {
            seconds: 1_700_000_000,
            nanos: 0,
        }),
        ..application_of(&office.application()).clone()
    };
    let tenant = application(&office.portal(), expired);
    let verified = verified(&mut desk, tenant).await;
    assert_eq!(verified.verdict(), Verdict::Working, "{verified:?}");
    assert_eq!(office.sandbox.record().refreshes(), 1);
    office.send("acme").await.unwrap();
    assert_eq!(office.sandbox.record().refreshes(), 1);
}

#[tokio::test]
async fn tokens_that_are_refused_are_said_to_be() {
    let office = Office::open().await;
    let mut desk = office.manager().await;
    let whole = application_of(&office.application()).clone();
    for credentials in [
        api::ApplicationCredentials {
            access_token: "wrong".to_owned(),
            refresh_token: String::new(),
            ..whole.clone()
        },
        api::ApplicationCredentials {
            access_token: String::new(),
            refresh_token: "wrong".to_owned(),
            ..whole
        },
    ] {
        let tenant = application(&office.portal(), credentials);
        let verified = verified(&mut desk, tenant).await;
        assert_eq!(verified.verdict(), Verdict::Refused, "{verified:?}");
        assert_eq!(
            reason(&verified),
            "REAUTHORIZATION_REQUIRED",
            "{verified:?}"
        );
        assert!(!verified.explanation.is_empty());
    }
}

#[tokio::test]
async fn tokens_of_another_application_or_portal_are_found_out() {
    let office = Office::open().await;
    let mut desk = office.manager().await;
    let of_another = api::ApplicationCredentials {
        client_id: "local.other.1".to_owned(),
        ..application_of(&office.application()).clone()
    };
    let verdict = verified(&mut desk, application(&office.portal(), of_another)).await;
    assert_eq!(verdict.verdict(), Verdict::Mismatched, "{verdict:?}");
    assert_eq!(verdict.findings[0].field, "application.client_id");
    assert!(verdict.findings[0].description.contains(demo::CLIENT_ID));

    let mut elsewhere = office.application();
    elsewhere.portal = "elsewhere.bitrix24.com".to_owned();
    let verdict = verified(&mut desk, elsewhere).await;
    assert_eq!(verdict.verdict(), Verdict::Mismatched, "{verdict:?}");
    assert_eq!(verdict.findings[0].field, "portal");
}

#[tokio::test]
async fn a_disabled_tenant_can_be_tried_and_stays_disabled() {
    let office = Office::open().await;
    let mut desk = office.manager().await;
    for tenant in [office.webhook(), office.application()] {
        let _ = desk.delete("acme", "").await;
        desk.create("acme", tenant).await.unwrap();
        let disabled = desk.disable("acme", "").await.unwrap();
        let verified = desk.verify("acme").await.unwrap();
        assert_eq!(verified.verdict(), Verdict::Working, "{verified:?}");
        assert_eq!(desk.get("acme").await.unwrap(), disabled);
    }
}

#[tokio::test]
async fn an_authorization_server_that_does_not_answer_says_nothing_of_the_credentials() {
    let office = Office::open().await;
    let mut desk = office.manager().await;
    let unreachable = api::ApplicationCredentials {
        authorization_server: "http://127.0.0.1:1".to_owned(),
        ..application_of(&office.application()).clone()
    };
    let verified = verified(&mut desk, application(&office.portal(), unreachable)).await;
    assert_eq!(verified.verdict(), Verdict::Unanswered, "{verified:?}");
    assert_eq!(reason(&verified), "AUTHORIZATION_SERVER_UNAVAILABLE");
}
