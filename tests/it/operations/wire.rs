//! Address, headers, credentials, and the parameters of the two simpler methods.

use bitrix24_openlines::api::openlines::v1 as api;
use sandbox::demo;
use serde_json::json;

use super::{Desk, parameters};
use crate::support::APPLICATION;
use crate::support::requests::{crm_message, network_message};

const DONE: &str = r#"{"result":7}"#;

#[tokio::test]
async fn an_application_is_named_in_the_body_and_nowhere_else() {
    let desk = Desk::answering(DONE).await;
    let request = api::SendCrmMessageRequest {
        tenant_id: APPLICATION.to_owned(),
        ..crm_message("Hello")
    };
    let request = desk.sent(request).await;
    assert_eq!(
        request.request_line(),
        "POST /rest/imopenlines.crm.message.add HTTP/1.1"
    );
    assert!(
        !request.head.contains(demo::ACCESS_TOKEN),
        "{}",
        request.head
    );
    let expected = json!({
        "CRM_ENTITY_TYPE": "lead",
        "CRM_ENTITY": demo::LEAD,
        "USER_ID": demo::MEMBER,
        "CHAT_ID": demo::CHAT,
        "MESSAGE": "Hello",
        "auth": demo::ACCESS_TOKEN,
    });
    assert_eq!(request.json(), expected);
}

#[tokio::test]
async fn a_webhook_is_named_in_the_path_and_nowhere_else() {
    let desk = Desk::answering(DONE).await;
    let request = desk.sent(crm_message("Hello")).await;
    let (user, secret) = (demo::OWNER, demo::WEBHOOK_SECRET);
    let line = format!("POST /rest/{user}/{secret}/imopenlines.crm.message.add HTTP/1.1");
    assert_eq!(request.request_line(), line);
    assert_eq!(request.head.matches(secret).count(), 1);
    assert!(!request.body.contains(secret));
    assert_eq!(request.json().get("auth"), None);
}

#[tokio::test]
async fn the_headers_say_who_calls_and_what_is_exchanged() {
    let desk = Desk::answering(DONE).await;
    let request = desk.sent(crm_message("Привет")).await;
    let version = env!("CARGO_PKG_VERSION");
    let length = request.body.len().to_string();
    for (name, value) in [
        ("content-type", "application/json"),
        ("accept", "application/json"),
        ("user-agent", &format!("bitrix24-openlines/{version}")),
        ("content-length", &length),
        ("host", &desk.portal.address.to_string()),
    ] {
        assert_eq!(request.header(name), Some(value), "{name}");
    }
    // The key of our caller is none of the portal's business.
    for name in ["authorization", "cookie", "x-request-id", "referer"] {
        assert_eq!(request.header(name), None, "{name}");
    }
    assert!(!request.head.contains("b24f_") && !request.body.contains("b24f_"));
}

#[tokio::test]
async fn every_kind_of_crm_item_has_bitrix24s_name() {
    let desk = Desk::answering(DONE).await;
    for (kind, name) in [
        (api::CrmEntityType::Lead, "lead"),
        (api::CrmEntityType::Deal, "deal"),
        (api::CrmEntityType::Company, "company"),
        (api::CrmEntityType::Contact, "contact"),
    ] {
        let request = api::SendCrmMessageRequest {
            crm_entity_type: kind.into(),
            ..crm_message("Hello")
        };
        assert_eq!(desk.sent(request).await.json()["CRM_ENTITY_TYPE"], name);
    }
}

#[tokio::test]
async fn the_largest_ids_and_all_characters_of_a_text_survive() {
    let desk = Desk::answering(DONE).await;
    let text =
        "[B]\"quoted\"[/B] \\ / \n\t\u{0}\u{7} <a href=x>&amp; я漢🙂 \u{feff}\u{202e}$result[x]";
    let request = api::SendCrmMessageRequest {
        crm_entity_id: i64::MAX,
        user_id: i64::MAX - 1,
        portal_chat_id: 9_007_199_254_740_993,
        ..crm_message(text)
    };
    let request = desk.sent(request).await;
    assert_eq!(request.json()["MESSAGE"], text);
    for number in [
        "9223372036854775807",
        "9223372036854775806",
        "9007199254740993",
    ] {
        assert!(
            request.body.contains(&format!(":{number},")),
            "{}",
            request.body
        );
    }
}

#[tokio::test]
async fn a_network_message_carries_no_more_than_it_was_given() {
    let desk = Desk::answering(r#"{"result":true}"#).await;
    let request = desk.sent(network_message("Hello")).await;
    let (user, secret) = (demo::OWNER, demo::WEBHOOK_SECRET);
    let line = format!("POST /rest/{user}/{secret}/imopenlines.network.message.add HTTP/1.1");
    assert_eq!(request.request_line(), line);
    let expected = json!({
        "CODE": demo::NETWORK_CODE,
        "USER_ID": demo::OUTSIDER,
        "MESSAGE": "Hello",
    });
    assert_eq!(request.json(), expected);
}

#[tokio::test]
async fn rich_links_are_switched_off_with_the_letter_n() {
    let desk = Desk::answering(r#"{"result":true}"#).await;
    for (disabled, expected) in [(true, json!("N")), (false, json!(null))] {
        let request = api::SendNetworkMessageRequest {
            disable_url_preview: disabled,
            tenant_id: APPLICATION.to_owned(),
            ..network_message("Hello")
        };
        let request = desk.sent(request).await;
        assert_eq!(parameters(&request)["URL_PREVIEW"], expected);
        assert_eq!(request.json()["auth"], demo::ACCESS_TOKEN);
    }
}
