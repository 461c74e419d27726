//! Every rule that a request can break: broken alone it is named with its exact path, and nothing is sent.

mod attachment;
mod connector;
mod keyboard;
mod limits;
mod settings;
mod size;
mod together;

use bitrix24_openlines::api::openlines::v1 as api;
use tonic::{Code, Status};

use crate::support::requests::{crm_message, network_message};
use crate::support::{Told, World};

/// Exactly one violation, of this field and rule.
fn assert_only_violation(status: &Status, field: &str, rule: &str) {
    assert_eq!(
        (
            status.code(),
            status.reason().as_str(),
            status.outcome().as_str()
        ),
        (Code::InvalidArgument, "INVALID_REQUEST", "not_executed"),
        "{field} {rule}"
    );
    assert_eq!(
        status.metadata_value("errorSource").as_deref(),
        Some("facade")
    );
    assert_eq!(status.violations(), [(field.to_owned(), rule.to_owned())]);
    assert!(
        status
            .message()
            .starts_with(&format!("invalid request: {field}: ")),
        "{}",
        status.message()
    );
}

async fn crm(world: &World, request: api::SendCrmMessageRequest) -> Result<(), Status> {
    let request = world.request(request);
    world
        .client()
        .await
        .send_crm_message(request)
        .await
        .map(drop)
}

async fn network(world: &World, request: api::SendNetworkMessageRequest) -> Result<(), Status> {
    let request = world.request(request);
    world
        .client()
        .await
        .send_network_message(request)
        .await
        .map(drop)
}

async fn connector(
    world: &World,
    request: api::SendConnectorMessagesRequest,
) -> Result<(), Status> {
    let request = world.request(request);
    world
        .client()
        .await
        .send_connector_messages(request)
        .await
        .map(drop)
}

fn assert_nothing_sent(world: &World) {
    assert_eq!(world.sandbox.record().entries, []);
}

#[tokio::test]
async fn each_rule_of_a_crm_message_is_named_alone() {
    type Change = fn(&mut api::SendCrmMessageRequest);
    let rules: [(&str, &str, Change); 19] = [
        ("tenant_id", "REQUIRED", |r| r.tenant_id.clear()),
        ("tenant_id", "TENANT_ID", |r| {
            r.tenant_id = "Hook".to_owned()
        }),
        ("tenant_id", "TENANT_ID", |r| {
            r.tenant_id = "-hook".to_owned()
        }),
        ("tenant_id", "TENANT_ID", |r| r.tenant_id = "h".repeat(64)),
        ("request_id", "UUID", |r| r.request_id = "once".to_owned()),
        // Another spelling of a UUID would be another key.
        ("request_id", "UUID", |r| {
            r.request_id = "6ba7b8109dad11d180b400c04fd430c8".to_owned()
        }),
        ("request_id", "UUID", |r| {
            r.request_id = "{6ba7b810-9dad-11d1-80b4-00c04fd430c8}".to_owned();
        }),
        ("priority", "UNKNOWN_VALUE", |r| r.priority = 3),
        ("priority", "UNKNOWN_VALUE", |r| r.priority = -1),
        ("crm_entity_type", "REQUIRED", |r| r.crm_entity_type = 0),
        ("crm_entity_type", "UNKNOWN_VALUE", |r| {
            r.crm_entity_type = 5
        }),
        ("crm_entity_type", "UNKNOWN_VALUE", |r| {
            r.crm_entity_type = -1
        }),
        ("crm_entity_id", "NOT_POSITIVE", |r| r.crm_entity_id = 0),
        ("crm_entity_id", "NOT_POSITIVE", |r| r.crm_entity_id = -1),
        ("user_id", "NOT_POSITIVE", |r| r.user_id = 0),
        ("portal_chat_id", "NOT_POSITIVE", |r| r.portal_chat_id = 0),
        ("portal_chat_id", "NOT_POSITIVE", |r| {
            r.portal_chat_id = i64::MIN
        }),
        ("text", "REQUIRED", |r| r.text.clear()),
        ("text", "TOO_LONG", |r| r.text = "я".repeat(20_001)),
    ];
    let world = World::start().await;
    for (field, rule, change) in rules {
        let mut request = crm_message("text");
        change(&mut request);
        let status = crm(&world, request).await.unwrap_err();
        assert_only_violation(&status, field, rule);
    }
    assert_nothing_sent(&world);
}

#[tokio::test]
async fn each_rule_of_a_network_message_is_named_alone() {
    type Change = fn(&mut api::SendNetworkMessageRequest);
    let rules: [(&str, &str, Change); 10] = [
        ("tenant_id", "REQUIRED", |r| r.tenant_id.clear()),
        ("request_id", "UUID", |r| r.request_id = "x".repeat(36)),
        ("priority", "UNKNOWN_VALUE", |r| r.priority = 3),
        ("line_code", "CODE", |r| r.line_code.clear()),
        ("line_code", "CODE", |r| r.line_code.truncate(31)),
        ("line_code", "CODE", |r| r.line_code.push('0')),
        ("line_code", "CODE", |r| r.line_code.replace_range(..1, "-")),
        ("user_id", "NOT_POSITIVE", |r| r.user_id = 0),
        ("text", "REQUIRED", |r| r.text.clear()),
        ("text", "TOO_LONG", |r| r.text = "x".repeat(20_001)),
    ];
    let world = World::start().await;
    for (field, rule, change) in rules {
        let mut request = network_message("text");
        change(&mut request);
        let status = network(&world, request).await.unwrap_err();
        assert_only_violation(&status, field, rule);
    }
    assert_nothing_sent(&world);
}
