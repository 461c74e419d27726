//! What `GetSendStatus` says of a call.

use bitrix24_openlines::api::openlines::v1 as api;
use prost_types::value::Kind;
use sandbox::{Fault, FaultKind, Moment, demo};
use tonic::{Code, Status};
use uuid::Uuid;

use super::site::{Site, Told, crm};
use crate::support::requests::{connector_message, connector_messages};
use crate::support::stores::{Stores, on_both_stores};
use crate::support::{APPLICATION, Told as _, WEBHOOK};

on_both_stores!(
    a_call_that_was_never_made_is_not_known_and_stays_new,
    a_call_is_running_until_it_is_answered_and_then_its_answer_is_told,
    a_call_in_the_queue_is_running,
    the_results_of_single_messages_are_in_the_answer,
    a_lost_answer_is_unknown_also_to_the_next_process,
    a_refused_call_is_not_known,
    a_call_of_another_tenant_is_not_known,
    a_request_without_a_key_is_refused,
);

async fn a_call_that_was_never_made_is_not_known_and_stays_new(stores: Stores) {
    let site = Site::start(stores).await;
    let id = Uuid::new_v4();
    for _ in 0..2 {
        let expected = api::GetSendStatusResponse {
            state: api::SendState::NotKnown.into(),
            answer: None,
        };
        assert_eq!(site.status_of(id).await, expected);
    }
    let rows = site.stores.texts("SELECT request_id FROM ledger").await;
    assert!(rows.is_empty(), "{rows:?}");
    site.crm(id, "text").await.executed_now();
}

async fn a_call_is_running_until_it_is_answered_and_then_its_answer_is_told(stores: Stores) {
    let site = Site::start(stores).await;
    let gate = site.hold();
    let id = Uuid::new_v4();
    let asking = async {
        site.requests_have_come(1).await;
        let status = site.status_of(id).await;
        gate.open();
        status
    };
    let (called, status) = tokio::join!(site.crm(id, "text"), asking);
    assert_eq!(status.state(), api::SendState::Running);
    assert_eq!(status.answer, None);
    let called = called.executed_now();
    let mut site = site;
    for _ in 0..2 {
        let status = site.status_of(id).await;
        assert_eq!(status.state(), api::SendState::Answered);
        let answer = status.answer.unwrap();
        assert_eq!(answer.timing, called.timing);
        assert_eq!(answer.operating_budget, called.operating_budget);
        let id = format!("{}", called.portal_message_id)
            .parse::<f64>()
            .unwrap();
        let result = answer.result.unwrap();
        assert_eq!(result.kind, Some(Kind::NumberValue(id)));
        site = site.restart().await;
    }
    assert_eq!(site.world.sandbox.record().entries.len(), 1);
}

async fn a_call_in_the_queue_is_running(stores: Stores) {
    let site = Site::start(stores).await;
    let gate = site.hold();
    let id = Uuid::new_v4();
    let behind = async {
        site.requests_have_come(1).await;
        site.crm(id, "behind").await
    };
    let asking = async {
        // The call before is in the queue for a moment, too.
        site.requests_have_come(1).await;
        crate::support::admin::until_queued(site.admin, 1).await;
        let status = site.status_of(id).await;
        gate.open();
        status
    };
    let before = site.crm(Uuid::new_v4(), "before");
    let (_, behind, status) = tokio::join!(before, behind, asking);
    assert_eq!(status.state(), api::SendState::Running);
    behind.executed_now();
}

async fn the_results_of_single_messages_are_in_the_answer(stores: Stores) {
    let site = Site::start(stores).await;
    let id = Uuid::new_v4();
    let messages = ["m1", "m2"].map(|id| connector_message(id, id));
    let request = api::SendConnectorMessagesRequest {
        request_id: id.to_string(),
        ..connector_messages(messages.to_vec())
    };
    let request = site.world.request(request);
    let sent = site.client.clone().send_connector_messages(request).await;
    Told::of(sent).executed_now();
    let status = ask(&site, APPLICATION, &id.to_string()).await.unwrap();
    assert_eq!(status.state(), api::SendState::Answered);
    let result = format!("{:?}", status.answer.unwrap().result.unwrap());
    for expected in ["SUCCESS", "m1", "m2"] {
        assert!(result.contains(expected), "{result}");
    }
}

async fn a_lost_answer_is_unknown_also_to_the_next_process(stores: Stores) {
    let mut site = Site::start(stores).await;
    let id = Uuid::new_v4();
    let lost = FaultKind::Reset(Moment::After);
    site.world.sandbox.inject(Fault::once(lost));
    site.crm(id, "text").await.failed();
    for _ in 0..2 {
        let status = site.status_of(id).await;
        assert_eq!(status.state(), api::SendState::Unknown);
        assert_eq!(status.answer, None);
        site = site.restart().await;
    }
}

async fn a_refused_call_is_not_known(stores: Stores) {
    let site = Site::start(stores).await;
    let id = Uuid::new_v4();
    let request = api::SendCrmMessageRequest {
        user_id: demo::OUTSIDER,
        ..crm(id, "text")
    };
    site.send_crm(request).await.failed();
    let status = site.status_of(id).await;
    assert_eq!(status.state(), api::SendState::NotKnown);
}

async fn a_call_of_another_tenant_is_not_known(stores: Stores) {
    let site = Site::start(stores).await;
    let id = Uuid::new_v4();
    site.crm(id, "text").await.executed_now();
    let id = id.to_string();
    let state = |status: api::GetSendStatusResponse| status.state();
    let elsewhere = ask(&site, APPLICATION, &id).await.map(state).unwrap();
    assert_eq!(elsewhere, api::SendState::NotKnown);
    let here = ask(&site, WEBHOOK, &id.to_uppercase()).await.map(state);
    assert_eq!(here.unwrap(), api::SendState::Answered);
    let nowhere = ask(&site, "ghost", &id).await.unwrap_err();
    assert_eq!(nowhere.code(), Code::PermissionDenied);
    assert_eq!(nowhere.reason(), "TENANT_NOT_PERMITTED");
}

async fn a_request_without_a_key_is_refused(stores: Stores) {
    let site = Site::start(stores).await;
    for (tenant, id, expected) in [
        (WEBHOOK, "", vec![("request_id", "REQUIRED")]),
        (WEBHOOK, "1", vec![("request_id", "UUID")]),
        (
            "",
            "",
            vec![("tenant_id", "REQUIRED"), ("request_id", "REQUIRED")],
        ),
    ] {
        let refused = ask(&site, tenant, id).await.unwrap_err();
        assert_eq!(refused.reason(), "INVALID_REQUEST");
        let violations = refused.violations();
        let violations = violations.iter().map(|(field, rule)| (&**field, &**rule));
        assert_eq!(violations.collect::<Vec<_>>(), expected);
    }
}

async fn ask(site: &Site, tenant: &str, id: &str) -> Result<api::GetSendStatusResponse, Status> {
    let request = api::GetSendStatusRequest {
        tenant_id: tenant.to_owned(),
        request_id: id.to_owned(),
    };
    let request = site.world.request(request);
    let status = site.client.clone().get_send_status(request).await;
    status.map(tonic::Response::into_inner)
}
