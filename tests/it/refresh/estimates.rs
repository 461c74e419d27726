//! Calls that are only checked: no token is refreshed for them.

use bitrix24_openlines::api::openlines::v1 as api;
use tonic::Status;

use super::Office;
use crate::support::requests::crm_message;
use crate::support::stores::{Stores, application_of, change, on_both_stores};
use crate::support::{REFRESHABLE, Told as _};

on_both_stores!(
    an_expired_token_is_no_fault_and_is_not_refreshed,
    an_expired_token_that_cannot_be_refreshed_is_told,
);

async fn check(office: &Office) -> Result<api::SendCrmMessageResponse, Status> {
    let message = api::SendCrmMessageRequest {
        tenant_id: REFRESHABLE.to_owned(),
        validate_only: true,
        ..crm_message("checked")
    };
    office.service.send(message).await
}

async fn an_expired_token_is_no_fault_and_is_not_refreshed(stores: Stores) {
    let office = Office::open(stores).await;
    for seconds in [30, -10] {
        office.expires_in(seconds).await;
        let response = check(&office).await.unwrap();
        assert!(response.estimate.is_some());
    }
    assert_eq!(office.token_requests(), 0);
    assert!(office.sandbox.record().entries.is_empty());
    // The call that is made needs it.
    office.call("called").await.unwrap();
    assert_eq!(office.refreshes(), 1);
}

async fn an_expired_token_that_cannot_be_refreshed_is_told(stores: Stores) {
    let office = Office::open(stores).await;
    change(&office.store, REFRESHABLE, |tenant| {
        application_of(tenant).refresh_token = None;
    })
    .await;
    office.expires_in(-10).await;
    let checked = check(&office).await.unwrap_err();
    let called = office.call("called").await.unwrap_err();
    assert_eq!(checked.code(), called.code());
    assert_eq!(checked.reason(), called.reason());
    assert_eq!(checked.reason(), "REAUTHORIZATION_REQUIRED");
    assert_eq!(office.token_requests(), 0);
}
