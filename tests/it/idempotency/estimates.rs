//! Calls with a `request_id` that are only checked.

use bitrix24_openlines::api::openlines::v1 as api;
use sandbox::{Fault, FaultKind, Moment};
use tonic::Code;
use uuid::Uuid;

use super::site::{Site, crm};
use crate::support::Told as _;
use crate::support::stores::{Stores, on_both_stores};

on_both_stores!(
    a_call_that_is_checked_leaves_nothing_in_the_ledger,
    a_check_says_that_the_call_was_answered_before,
    a_check_says_at_once_that_the_call_is_running,
    a_check_says_that_the_outcome_is_unknown,
);

fn checked(id: Uuid, text: &str) -> api::SendCrmMessageRequest {
    api::SendCrmMessageRequest {
        validate_only: true,
        ..crm(id, text)
    }
}

/// The response that a check gets, and no other.
fn assert_estimate(response: &api::SendCrmMessageResponse) {
    let expected = api::SendCrmMessageResponse {
        estimate: response.estimate,
        ..Default::default()
    };
    assert_eq!(*response, expected);
    assert!(response.estimate.is_some());
}

async fn a_call_that_is_checked_leaves_nothing_in_the_ledger(stores: Stores) {
    let site = Site::start(stores).await;
    let id = Uuid::new_v4();
    for text in ["text", "another", "text"] {
        let response = site.send_crm(checked(id, text)).await.executed_now();
        assert_estimate(&response);
    }
    assert!(site.world.sandbox.record().entries.is_empty());
    let rows = site.stores.texts("SELECT request_id FROM ledger").await;
    assert!(rows.is_empty(), "{rows:?}");
    let status = site.status_of(id).await;
    assert_eq!(status.state(), api::SendState::NotKnown);
    // No attempt of a check stands in the way of the call.
    site.crm(id, "text").await.executed_now();
    assert_eq!(site.delivered("text"), 1);
}

async fn a_check_says_that_the_call_was_answered_before(stores: Stores) {
    let site = Site::start(stores).await;
    let id = Uuid::new_v4();
    site.crm(id, "text").await.executed_now();
    let mut site = site;
    for _ in 0..2 {
        let response = site.send_crm(checked(id, "text")).await.replayed();
        assert_estimate(&response);
        let reused = site.send_crm(checked(id, "another")).await.failed();
        assert_eq!(reused.code(), Code::FailedPrecondition);
        assert_eq!(reused.reason(), "REQUEST_ID_REUSED");
        assert_eq!(reused.outcome(), "not_executed");
        site = site.restart().await;
    }
    assert_eq!(site.world.sandbox.record().entries.len(), 1);
}

async fn a_check_says_at_once_that_the_call_is_running(stores: Stores) {
    let site = Site::start(stores).await;
    let gate = site.hold();
    let id = Uuid::new_v4();
    let checking = async {
        site.requests_have_come(1).await;
        let response = site.send_crm(checked(id, "text")).await.replayed();
        assert_estimate(&response);
        let reused = site.send_crm(checked(id, "another")).await.failed();
        assert_eq!(reused.reason(), "REQUEST_ID_REUSED");
        gate.open();
    };
    tokio::join!(site.crm(id, "text"), checking)
        .0
        .executed_now();
    assert_eq!(site.world.sandbox.record().entries.len(), 1);
}

async fn a_check_says_that_the_outcome_is_unknown(stores: Stores) {
    let site = Site::start(stores).await;
    let id = Uuid::new_v4();
    let lost = FaultKind::Reset(Moment::After);
    site.world.sandbox.inject(Fault::once(lost));
    let called = site.crm(id, "text").await.failed();
    let checked = site.send_crm(checked(id, "text")).await.failed();
    assert_eq!(called.reason(), "OUTCOME_UNKNOWN");
    assert_eq!(checked.code(), called.code());
    assert_eq!(checked.reason(), called.reason());
    assert_eq!(checked.outcome(), "unknown");
    assert_eq!(site.world.sandbox.record().entries.len(), 1);
}
