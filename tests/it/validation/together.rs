//! Several violations in one request.

use bitrix24_openlines::api::openlines::v1 as api;
use tonic::Code;

use super::assert_nothing_sent;
use crate::support::requests::{connector_message, connector_messages, crm_message};
use crate::support::{Told, World};

#[tokio::test]
async fn all_violations_are_told_at_once_in_the_order_of_the_fields() {
    let world = World::start().await;
    let request = api::SendCrmMessageRequest {
        tenant_id: crm_message("").tenant_id,
        request_id: "once".to_owned(),
        ..Default::default()
    };
    let status = world.send(request).await.unwrap_err();
    let expected = [
        ("request_id", "UUID"),
        ("crm_entity_type", "REQUIRED"),
        ("crm_entity_id", "NOT_POSITIVE"),
        ("user_id", "NOT_POSITIVE"),
        ("portal_chat_id", "NOT_POSITIVE"),
        ("text", "REQUIRED"),
    ];
    let expected = expected.map(|(field, rule)| (field.to_owned(), rule.to_owned()));
    assert_eq!(status.violations(), expected);
    assert!(
        status
            .message()
            .starts_with("invalid request: 6 violations; the first: request_id: "),
        "{}",
        status.message()
    );
    assert_nothing_sent(&world);
}

#[tokio::test]
async fn one_field_can_break_two_rules() {
    let world = World::start().await;
    let mut message = connector_message("m1", "text");
    message.user.as_mut().unwrap().first_name = "_".repeat(26);
    let status = world
        .send(connector_messages(vec![message]))
        .await
        .unwrap_err();
    let field = "messages[0].user.first_name".to_owned();
    let rules = ["TOO_LONG", "CHARACTERS"].map(|rule| (field.clone(), rule.to_owned()));
    assert_eq!(status.violations(), rules);
}

#[tokio::test]
async fn an_empty_request_lists_everything_that_is_required() {
    let world = World::start().await;
    let request = api::SendConnectorMessagesRequest {
        messages: vec![api::ConnectorMessage::default()],
        ..Default::default()
    };
    let status = world.send(request).await.unwrap_err();
    let fields: Vec<String> = status
        .violations()
        .into_iter()
        .map(|(field, _)| field)
        .collect();
    let expected = [
        "tenant_id",
        "connector_id",
        "line_id",
        "messages[0].user",
        "messages[0].message",
        "messages[0].chat",
    ];
    assert_eq!(fields, expected);
}

#[tokio::test]
async fn of_more_than_20_violations_20_are_kept_and_all_are_counted() {
    let world = World::start().await;
    for (messages, counted) in [
        (20, "20 violations"),
        (21, "21 violations"),
        (100, "100 violations"),
    ] {
        let broken = api::ConnectorMessage {
            chat: None,
            ..connector_message("m", "text")
        };
        let request = connector_messages(vec![broken; messages]);
        let status = world.send(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        let violations = status.violations();
        assert_eq!(violations.len(), 20);
        for (index, (field, rule)) in violations.iter().enumerate() {
            assert_eq!(
                (field.as_str(), rule.as_str()),
                (format!("messages[{index}].chat").as_str(), "REQUIRED")
            );
        }
        assert!(status.message().contains(counted), "{}", status.message());
    }
    assert_nothing_sent(&world);
}
