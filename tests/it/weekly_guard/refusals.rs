//! Which messages are refused without a request, and what their callers are told.

use bitrix24_openlines::api::openlines::v1 as api;
use bitrix24_openlines::api::openlines::v1::streaming_send_messages_request::Operation;
use bitrix24_openlines::api::openlines::v1::streaming_send_messages_response::Result as Item;
use jiff::{SignedDuration, Timestamp};
use sandbox::{NetworkLine, demo};
use tonic::Code;
use uuid::Uuid;

use super::site::{Site, by_application, elsewhere, refused_by_the_portal, to_member};
use crate::support::admin::sample;
use crate::support::requests::network_message;
use crate::support::stores::{Stores, on_both_stores};
use crate::support::{Told, WEBHOOK};

on_both_stores!(
    a_second_message_within_the_week_is_refused_without_a_request,
    another_user_line_tenant_or_portal_is_no_concern_of_the_guard,
    a_retry_of_a_delivered_message_is_replayed,
    a_refused_call_leaves_its_request_id_free,
    a_check_tells_what_the_call_would_be_told,
    an_item_of_a_stream_is_guarded,
    without_the_setting_the_portal_decides,
);

const REFUSALS: &str = "openlines_refusals_total{reason=\"recipient_weekly_limit\"}";

async fn a_second_message_within_the_week_is_refused_without_a_request(stores: Stores) {
    let site = Site::start(stores, "rolling").await;
    site.teach().await;
    assert_eq!(sample(site.admin, REFUSALS).await, 0);
    let status = site.is_guarded(network_message("third")).await;
    assert_eq!(sample(site.admin, REFUSALS).await, 1);
    // Whose word it is, since when and until when.
    let message = status.message();
    assert!(message.contains("this service's own record"), "{message}");
    let time = |key| -> Timestamp { status.metadata_value(key).unwrap().parse().unwrap() };
    let (accepted, until) = (time("acceptedTime"), time("guardedUntil"));
    let age = Timestamp::now().duration_since(accepted);
    assert!(age < SignedDuration::from_mins(2), "{age}");
    let week = SignedDuration::from_hours(7 * 24 - 2);
    assert_eq!(until.duration_since(accepted), week);
    let details = status.details_of();
    assert!(details.quota_failure().is_some());
    // Nobody knows when the portal accepts one.
    assert!(details.retry_info().is_none());
    assert_eq!(site.world.sandbox.record().times_delivered("third"), 0);
}

async fn another_user_line_tenant_or_portal_is_no_concern_of_the_guard(stores: Stores) {
    let site = Site::start(stores, "rolling").await;
    site.teach().await;
    site.send(to_member("to another user")).await.unwrap();
    // The simulated portal counts lines and tenants of a user together, and says so itself.
    let other_line = "b".repeat(32);
    site.world.sandbox.alter(demo::HOST, |portal| {
        portal.network_lines.push(NetworkLine {
            code: other_line.clone(),
            joined: true,
        });
    });
    let on_other_line = api::SendNetworkMessageRequest {
        line_code: other_line,
        ..network_message("on another line")
    };
    site.is_sent_and_refused(on_other_line).await;
    site.is_sent_and_refused(by_application("by another tenant"))
        .await;
    // What one portal says is not the word of another one.
    site.send(elsewhere("to another portal")).await.unwrap();
    refused_by_the_portal(site.send(elsewhere("to another portal")).await);
    assert_eq!(site.other_portal.record().entries.len(), 2);
    site.is_guarded(network_message("still")).await;
}

fn with_id(id: Uuid, text: &str) -> api::SendNetworkMessageRequest {
    api::SendNetworkMessageRequest {
        request_id: id.to_string(),
        ..network_message(text)
    }
}

async fn a_retry_of_a_delivered_message_is_replayed(stores: Stores) {
    let site = Site::start(stores, "rolling").await;
    let id = Uuid::new_v4();
    site.send(with_id(id, "text")).await.unwrap();
    site.until_texts("SELECT subject FROM weekly_limits", 1)
        .await;
    site.is_sent_and_refused(network_message("again")).await;
    site.until_texts("SELECT subject FROM weekly_limits", 2)
        .await;
    site.is_guarded(with_id(Uuid::new_v4(), "text")).await;
    let before = site.requests();
    let replayed = site.send(with_id(id, "text")).await.unwrap();
    assert!(replayed.replayed);
    let reused = site.send(with_id(id, "another text")).await.unwrap_err();
    assert_eq!(reused.reason(), "REQUEST_ID_REUSED");
    assert_eq!(site.requests(), before);
    let site = site.restart("rolling").await;
    let replayed = site.send(with_id(id, "text")).await.unwrap();
    assert!(replayed.replayed);
    assert_eq!(site.requests(), before);
    assert_eq!(site.world.sandbox.record().times_delivered("text"), 1);
}

async fn a_refused_call_leaves_its_request_id_free(stores: Stores) {
    let site = Site::start(stores, "rolling").await;
    site.teach().await;
    let id = Uuid::new_v4();
    site.is_guarded(with_id(id, "text")).await;
    let request = api::GetSendStatusRequest {
        tenant_id: WEBHOOK.to_owned(),
        request_id: id.to_string(),
    };
    let mut client = site.world.client().await;
    let status = client.get_send_status(site.world.request(request)).await;
    let state = status.unwrap().into_inner().state();
    assert_eq!(state, api::SendState::NotKnown);
    // Nor is it in use by this content.
    site.is_guarded(with_id(id, "another text")).await;
    let elsewhere = api::SendNetworkMessageRequest {
        request_id: id.to_string(),
        ..to_member("to somebody else")
    };
    let response = site.send(elsewhere).await.unwrap();
    assert!(!response.replayed);
}

async fn a_check_tells_what_the_call_would_be_told(stores: Stores) {
    let site = Site::start(stores, "rolling").await;
    site.teach().await;
    let checked = |message| api::SendNetworkMessageRequest {
        validate_only: true,
        ..message
    };
    let called = site.is_guarded(network_message("text")).await;
    let checked_only = site.is_guarded(checked(network_message("text"))).await;
    assert_eq!(checked_only.message(), called.message());
    let response = site.send(checked(to_member("text"))).await.unwrap();
    assert!(response.estimate.is_some());
}

async fn an_item_of_a_stream_is_guarded(stores: Stores) {
    let site = Site::start(stores, "rolling").await;
    site.teach().await;
    let before = site.requests();
    let item = |key: &str, message| api::StreamingSendMessagesRequest {
        item_key: key.to_owned(),
        operation: Some(Operation::NetworkMessage(message)),
        ..Default::default()
    };
    let items = [
        item("guarded", network_message("text")),
        item("sent", to_member("text")),
    ];
    let items = site.world.request(tokio_stream::iter(items));
    let mut client = site.world.client().await;
    let mut answers = client
        .streaming_send_messages(items)
        .await
        .unwrap()
        .into_inner();
    let mut found = 0;
    while let Some(answer) = answers.message().await.unwrap() {
        found += 1;
        match (answer.item_key.as_str(), answer.result.unwrap()) {
            ("guarded", Item::Error(status)) => {
                assert_eq!(status.code, i32::from(Code::ResourceExhausted));
                assert!(status.message.contains("own record"), "{status:?}");
            }
            ("sent", Item::NetworkMessage(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(found, 2);
    assert_eq!(site.requests(), before + 1);
}

async fn without_the_setting_the_portal_decides(stores: Stores) {
    let site = Site::start(stores, "rolling").await;
    site.teach().await;
    site.is_guarded(network_message("text")).await;
    let site = site.restart("none").await;
    site.is_sent_and_refused(network_message("text")).await;
    site.world
        .sandbox
        .alter(demo::HOST, |portal| portal.nfr_licence = true);
    site.send(network_message("text")).await.unwrap();
}
