//! What a repeat of an answered call gets.

use bitrix24_openlines::api::openlines::v1 as api;
use bitrix24_openlines::api::openlines::v1::connector_message_result::Outcome;
use sandbox::{Fault, FaultKind, MessageRule};
use tonic::{Code, Request};
use uuid::Uuid;

use super::site::{Site, Told, crm};
use crate::support::requests::{
    connector_message, connector_messages, crm_message, network_message,
};
use crate::support::stores::{Stores, on_both_stores};
use crate::support::{APPLICATION, Told as _};

on_both_stores!(
    a_crm_message_is_answered_alike_and_sent_once,
    a_network_message_is_answered_alike_and_sent_once,
    connector_messages_are_answered_alike_and_sent_once_even_if_some_were_refused,
    an_answer_that_cannot_be_used_is_replayed_as_such,
    an_answer_is_replayed_by_the_next_process,
    without_an_id_every_call_is_sent,
    another_content_under_the_same_id_is_refused,
    another_way_of_travelling_is_no_other_content,
    the_same_id_at_another_tenant_is_another,
);

async fn a_crm_message_is_answered_alike_and_sent_once(stores: Stores) {
    let site = Site::start(stores).await;
    let id = Uuid::new_v4();
    let first = site.crm(id, "text").await.executed_now();
    assert_eq!(site.crm(id, "text").await.replayed(), first);
    let mut request = crm(id, "text");
    request.request_id = request.request_id.to_uppercase();
    assert_eq!(site.send_crm(request).await.replayed(), first);
    assert_eq!(site.delivered("text"), 1);
    assert_eq!(site.world.sandbox.record().entries.len(), 1);
}

async fn a_network_message_is_answered_alike_and_sent_once(stores: Stores) {
    let site = Site::start(stores).await;
    let request = api::SendNetworkMessageRequest {
        request_id: Uuid::new_v4().to_string(),
        ..network_message("text")
    };
    let send = || {
        let request = same_call_id(site.world.request(request.clone()));
        let mut client = site.client.clone();
        async move { Told::of(client.send_network_message(request).await) }
    };
    let first = send().await.executed_now();
    assert_eq!(send().await.replayed(), first);
    assert_eq!(site.delivered("text"), 1);
    assert_eq!(site.world.sandbox.record().entries.len(), 1);
}

async fn connector_messages_are_answered_alike_and_sent_once_even_if_some_were_refused(
    stores: Stores,
) {
    let site = Site::start(stores).await;
    site.world.sandbox.refuse_messages(MessageRule {
        message_id: Some("m2".to_owned()),
        text: None,
        error: "not this one".to_owned(),
    });
    let messages = ["m1", "m2", "m3"].map(|id| connector_message(id, id));
    let request = api::SendConnectorMessagesRequest {
        request_id: Uuid::new_v4().to_string(),
        ..connector_messages(messages.to_vec())
    };
    let send = || {
        let request = same_call_id(site.world.request(request.clone()));
        let mut client = site.client.clone();
        async move { Told::of(client.send_connector_messages(request).await) }
    };
    let first = send().await.executed_now();
    let is_accepted =
        |result: &api::ConnectorMessageResult| matches!(result.outcome, Some(Outcome::Accepted(_)));
    let accepted: Vec<bool> = first.results.iter().map(is_accepted).collect();
    assert_eq!(accepted, [true, false, true]);
    assert_eq!(comparable(send().await.replayed()), comparable(first));
    let record = site.world.sandbox.record();
    assert_eq!(record.entries.len(), 1);
    assert!(record.delivered_by_text().values().all(|times| *times == 1));
}

async fn an_answer_that_cannot_be_used_is_replayed_as_such(stores: Stores) {
    let site = Site::start(stores).await;
    let id = Uuid::new_v4();
    let scripted = FaultKind::Scripted {
        status: 200,
        content_type: "application/json".to_owned(),
        body: r#"{"result":{"no":"number"}}"#.to_owned(),
        executed: true,
    };
    site.world.sandbox.inject(Fault::once(scripted));
    let first = site.crm(id, "text").await.failed();
    let second = site.crm(id, "text").await;
    assert!(second.is_replayed);
    let second = second.result.unwrap_err();
    assert_eq!(second.code(), first.code());
    assert_eq!(second.message(), first.message());
    assert_eq!(second.reason(), first.reason());
    assert_eq!(second.outcome(), first.outcome());
    assert_eq!(site.delivered("text"), 1);
}

async fn an_answer_is_replayed_by_the_next_process(stores: Stores) {
    let site = Site::start(stores).await;
    let id = Uuid::new_v4();
    let first = site.crm(id, "text").await.executed_now();
    let site = site.restart().await;
    assert_eq!(site.crm(id, "text").await.replayed(), first);
    assert_eq!(site.delivered("text"), 1);
}

async fn without_an_id_every_call_is_sent(stores: Stores) {
    let site = Site::start(stores).await;
    for _ in 0..2 {
        site.send_crm(crm_message("text")).await.executed_now();
    }
    assert_eq!(site.delivered("text"), 2);
    let rows = site.stores.texts("SELECT request_id FROM ledger").await;
    assert!(rows.is_empty(), "{rows:?}");
}

async fn another_content_under_the_same_id_is_refused(stores: Stores) {
    let site = Site::start(stores).await;
    let id = Uuid::new_v4();
    site.crm(id, "text").await.executed_now();
    let network = api::SendNetworkMessageRequest {
        request_id: id.to_string(),
        ..network_message("text")
    };
    let request = site.world.request(network);
    let network = site.client.clone().send_network_message(request).await;
    let other_text = site.crm(id, "another").await.failed();
    let other_chat = api::SendCrmMessageRequest {
        portal_chat_id: 7,
        ..crm(id, "text")
    };
    let other_chat = site.send_crm(other_chat).await.failed();
    for status in [other_text, other_chat, network.unwrap_err()] {
        assert_eq!(status.code(), Code::FailedPrecondition);
        assert_eq!(status.reason(), "REQUEST_ID_REUSED");
        assert_eq!(status.outcome(), "not_executed");
    }
    assert_eq!(site.world.sandbox.record().entries.len(), 1);
}

async fn another_way_of_travelling_is_no_other_content(stores: Stores) {
    let site = Site::start(stores).await;
    let id = Uuid::new_v4();
    let first = site.crm(id, "text").await.executed_now();
    let request = api::SendCrmMessageRequest {
        priority: api::CallPriority::Bulk.into(),
        disable_batching: true,
        ..crm(id, "text")
    };
    assert_eq!(site.send_crm(request).await.replayed(), first);
    assert_eq!(site.delivered("text"), 1);
}

async fn the_same_id_at_another_tenant_is_another(stores: Stores) {
    let site = Site::start(stores).await;
    let id = Uuid::new_v4();
    site.crm(id, "text").await.executed_now();
    let elsewhere = |text| api::SendCrmMessageRequest {
        tenant_id: APPLICATION.to_owned(),
        ..crm(id, text)
    };
    site.send_crm(elsewhere("another")).await.executed_now();
    site.send_crm(elsewhere("another")).await.replayed();
    site.crm(id, "text").await.replayed();
    assert_eq!(site.delivered("text"), 1);
    assert_eq!(site.delivered("another"), 1);
}

/// The same in all attempts, so that their answers can be compared.
fn same_call_id<M>(mut request: Request<M>) -> Request<M> {
    let same = "the-same".parse().unwrap();
    request.metadata_mut().insert("x-request-id", same);
    request
}

/// With the metadata of `ErrorInfo`, which is a map and written in any order, in an order.
fn comparable(
    mut response: api::SendConnectorMessagesResponse,
) -> api::SendConnectorMessagesResponse {
    for result in &mut response.results {
        if let Some(Outcome::Error(status)) = &mut result.outcome {
            for detail in &mut status.details {
                detail.value.sort_unstable();
            }
        }
    }
    response
}
