//! Every rule that a request can break: broken alone, it is named with its exact path.

mod attachment;
mod connector;
mod keyboard;

use super::crm_message::SendCrmMessage;
use super::names::NameRule;
use super::network_message::SendNetworkMessage;
use super::operation::{Operation, SendRequest};
use super::service::check_fields;
use super::settings::Rules;
use crate::api::openlines::v1 as api;
use crate::check::{Check, Path};

/// The defaults of `validation.*`.
pub(super) const RULES: Rules = Rules {
    names: NameRule::Strict,
    maximum_messages: 100,
    maximum_text_characters: 20_000,
    maximum_attachment_bytes: 30_720,
    maximum_keyboard_bytes: 30_720,
};

/// Field and rule of each violation, in order.
fn violations<O: Operation>(request: &O::Request) -> Vec<(String, &'static str)> {
    let mut check = Check::default();
    check.tenant_id(Path::root("tenant_id"), request.tenant_id());
    check_fields::<O>(request, &RULES, &mut check).unwrap();
    let violations = check.pass(None).unwrap_err();
    let kept = violations.kept().iter();
    kept.map(|violation| (violation.field.clone(), violation.rule))
        .collect()
}

fn assert_only_violation<O: Operation>(request: &O::Request, field: &str, rule: &str) {
    let violations = violations::<O>(request);
    let [(found_field, found_rule)] = violations.as_slice() else {
        panic!("{field} {rule}: {violations:?}");
    };
    assert_eq!((found_field.as_str(), *found_rule), (field, rule));
}

/// An absolute address of so many characters.
fn url_of(characters: usize) -> String {
    let start = "https://a/";
    start.to_owned() + &"x".repeat(characters - start.len())
}

fn network_message(text: &str) -> api::SendNetworkMessageRequest {
    api::SendNetworkMessageRequest {
        tenant_id: "hook".to_owned(),
        line_code: "0".repeat(32),
        user_id: 1,
        text: text.to_owned(),
        ..Default::default()
    }
}

fn connector_message(id: &str, text: &str) -> api::ConnectorMessage {
    api::ConnectorMessage {
        user: Some(api::ExternalUser {
            id: "u1".to_owned(),
            ..Default::default()
        }),
        message: Some(api::ExternalMessage {
            id: id.to_owned(),
            text: text.to_owned(),
            ..Default::default()
        }),
        chat: Some(api::ExternalChat {
            id: "c1".to_owned(),
            ..Default::default()
        }),
    }
}

#[test]
fn each_rule_of_a_crm_message_is_named_alone() {
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
    for (field, rule, change) in rules {
        let mut request = api::SendCrmMessageRequest {
            tenant_id: "hook".to_owned(),
            crm_entity_type: api::CrmEntityType::Lead.into(),
            crm_entity_id: 1,
            user_id: 1,
            portal_chat_id: 1,
            text: "text".to_owned(),
            ..Default::default()
        };
        change(&mut request);
        assert_only_violation::<SendCrmMessage>(&request, field, rule);
    }
}

#[test]
fn each_rule_of_a_network_message_is_named_alone() {
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
    for (field, rule, change) in rules {
        let mut request = network_message("text");
        change(&mut request);
        assert_only_violation::<SendNetworkMessage>(&request, field, rule);
    }
}
