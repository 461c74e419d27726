//! `imconnector.send.messages`.

use sandbox::{DeliveredFile, Delivery, ErrorDialect, MessageRule, Portal, demo};
use serde_json::{Value, json};

use crate::desk::*;

#[tokio::test]
async fn the_documented_example_gets_the_documented_answer() {
    let desk = Desk::open().await;
    let call = connector_call(&[json!({
        "user": {"id": "ext-user-42", "name": "Ivan", "skip_phone_validate": "Y"},
        "message": {
            "id": "ext-msg-1001", "date": 1_773_265_993, "text": "Good afternoon", "disable_crm": "Y",
            "files": [{"url": "https://example.com/files/spec.pdf", "name": "spec.pdf"}],
        },
        "chat": {"id": "channel-123", "name": "Support Channel", "url": "https://example.com/chats/123"},
    })]);
    let response = desk.as_application(CONNECTOR, call).await;
    let result = response.result();
    let item = &result["DATA"]["RESULT"][0];
    let (user, session) = (item["user"].clone(), item["session"].clone());
    assert!(
        user.is_string() && session["ID"].is_string() && session["CHAT_ID"].is_string(),
        "{item}"
    );
    assert_eq!(
        result,
        json!({"SUCCESS": true, "DATA": {"RESULT": [{
            "user": user,
            "message": {"id": "ext-msg-1001", "date": {}, "text": "Good afternoon", "files": []},
            "chat": {
                "id": "channel-123", "name": "Support Channel",
                "description": "Link to the original post: https://example.com/chats/123",
            },
            "extra": {"skip_phone_validate": "Y", "disable_tracker": "Y"},
            "SUCCESS": true,
            "session": session,
        }]}})
    );
    assert_eq!(
        desk.last_entry().deliveries,
        [Delivery::Connector {
            connector: "myconnector".to_owned(),
            line: 107,
            user_id: "ext-user-42".to_owned(),
            message_id: Some("ext-msg-1001".to_owned()),
            user_name: "Ivan".to_owned(),
            chat_id: "channel-123".to_owned(),
            text: "Good afternoon".to_owned(),
            files: vec![DeliveredFile {
                name: "spec.pdf".to_owned(),
                url: "https://example.com/files/spec.pdf".to_owned(),
            }],
            portal_chat_id: session["CHAT_ID"].as_str().unwrap().parse().unwrap(),
        }]
    );
}

#[tokio::test]
async fn webhooks_and_browser_sessions_are_refused_before_any_argument() {
    let desk = Desk::open().await;
    let text = "Current authorization type is denied for this method Application context required";
    let response = desk.as_webhook(CONNECTOR, json!({})).await;
    desk.refused_with(&response, 403, "WRONG_AUTH_TYPE", text);
    let session = desk.post_json(&format!("/rest/{CONNECTOR}"), &json!({}));
    let session = session.header("cookie", format!("a=b; PHPSESSID={}", demo::SESSION));
    let response = Desk::send(session).await.unwrap();
    desk.refused_with(&response, 403, "WRONG_AUTH_TYPE", text);
}

/// Code and text, in the current dialect and in the old one.
type Faces = [(&'static str, &'static str); 2];

/// Calls that are refused: parameter, its value, and how that shows.
fn refusals() -> Vec<(&'static str, Value, Faces)> {
    let good = message("u", "m", "t");
    let both = |code, old_code, text| [(code, text), (old_code, text)];
    let argument = |name, text| both("ERROR_ARGUMENT", name, text);
    let structure = [
        (
            "ERROR_ARGUMENT",
            "The incorrect structure of a message inside MESSAGES parameter",
        ),
        (
            "100",
            "The incorrect structure of a message inside the MESSAGES parameter.",
        ),
    ];
    let line = [
        (
            "NOT_ACTIVE_LINE",
            "The line with this ID is inactive or does not exist",
        ),
        (
            "NOT_ACTIVE_LINE",
            "Line with this ID is inactive or does not exist",
        ),
    ];
    let provider = [
        (
            "IMCONNECTOR_NO_CORRECT_PROVIDER",
            "Failed to find a suitable provider for the connector",
        ),
        (
            "IMCONNECTOR_NO_CORRECT_PROVIDER",
            "Could not find a suitable provider for the connector",
        ),
    ];
    let mut cases = vec![];
    for empty in [json!(null), json!(""), json!("0"), json!(0), json!([])] {
        cases.extend([
            (
                "CONNECTOR",
                empty.clone(),
                argument("CONNECTOR", "Argument 'CONNECTOR' is null or empty"),
            ),
            (
                "LINE",
                empty.clone(),
                argument("LINE", "Argument 'LINE' is null or empty"),
            ),
            (
                "MESSAGES",
                empty,
                argument("MESSAGES", "Argument 'MESSAGES' is null or empty"),
            ),
        ]);
    }
    cases.extend([
        (
            "MESSAGES",
            json!("text"),
            argument(
                "MESSAGES",
                "The value of an argument 'MESSAGES' must be of type array",
            ),
        ),
        (
            "MESSAGES",
            json!([good, "text"]),
            argument(
                "100",
                "The MESSAGES parameter must be an array of messages (arrays)",
            ),
        ),
        (
            "MESSAGES",
            json!([good, {"user": {"id": "u"}, "message": {"text": "t"}}]),
            structure,
        ),
        (
            "MESSAGES",
            json!([{"message": {"text": "t"}, "chat": {"id": "c"}}]),
            structure,
        ),
        (
            "MESSAGES",
            json!([{"user": {"id": "u"}, "message": null, "chat": {"id": "c"}}]),
            structure,
        ),
        ("MESSAGES", message("not", "in", "a list"), structure),
        ("LINE", json!(demo::INACTIVE_LINE), line),
        ("LINE", json!(999), line),
        ("LINE", json!("abc"), line),
        ("CONNECTOR", json!("unknown"), provider),
    ]);
    cases
}

#[tokio::test]
async fn every_argument_is_refused_with_its_documented_error_in_both_dialects() {
    let desk = Desk::open().await;
    for (name, value, faces) in refusals() {
        for (dialect, (code, text)) in [ErrorDialect::Current, ErrorDialect::Old]
            .into_iter()
            .zip(faces)
        {
            desk.sandbox.set_dialect(dialect);
            let call = with(
                connector_call(&[message("u", "m", "t")]),
                name,
                value.clone(),
            );
            let response = desk.as_application(CONNECTOR, call).await;
            desk.refused_with(&response, 400, code, text);
        }
    }
    assert_eq!(desk.sandbox.record().deliveries().count(), 0);
}

#[tokio::test]
async fn arguments_are_checked_in_the_documented_order() {
    let desk = Desk::open().await;
    let mut call = json!({"CONNECTOR": "", "LINE": "", "MESSAGES": "text"});
    for (name, text, good) in [
        (
            "CONNECTOR",
            "Argument 'CONNECTOR' is null or empty",
            json!("unknown"),
        ),
        (
            "LINE",
            "Argument 'LINE' is null or empty",
            json!(demo::INACTIVE_LINE),
        ),
        (
            "MESSAGES",
            "The value of an argument 'MESSAGES' must be of type array",
            json!([{}]),
        ),
        (
            "MESSAGES",
            "The incorrect structure of a message inside MESSAGES parameter",
            json!([message("u", "m", "t")]),
        ),
        (
            "LINE",
            "The line with this ID is inactive or does not exist",
            json!(demo::LINE),
        ),
        (
            "CONNECTOR",
            "Failed to find a suitable provider for the connector",
            json!(demo::CONNECTOR),
        ),
    ] {
        assert_eq!(
            desk.as_application(CONNECTOR, call.clone()).await.error().2,
            text
        );
        call = with(call, name, good);
    }
    desk.as_application(CONNECTOR, call).await.result();
    assert_eq!(desk.sandbox.record().executed(), 1);
}

#[tokio::test]
async fn a_connector_is_found_in_lower_case_only() {
    let desk = Desk::open().await;
    let call = json!({
        "CONNECTOR": demo::CONNECTOR.to_uppercase(), "LINE": demo::LINE,
        "MESSAGES": [message("u", "m", "t")],
    });
    assert_eq!(
        desk.as_application(CONNECTOR, call).await.error().2,
        "Failed to find a suitable provider for the connector"
    );
}

#[tokio::test]
async fn a_connector_that_is_not_activated_on_the_line_finds_it_inactive() {
    let desk = Desk::open().await;
    desk.sandbox.alter(demo::HOST, |portal| {
        portal.connectors[0].active_lines.clear()
    });
    let response = desk
        .as_application(CONNECTOR, connector_call(&[message("u", "m", "t")]))
        .await;
    assert_eq!(response.error().1, "NOT_ACTIVE_LINE");
}

#[tokio::test]
async fn incomplete_messages_fail_one_by_one_inside_a_successful_answer() {
    let desk = Desk::open().await;
    let text = "Not all the required data was provided";
    let call = connector_call(&[
        message("u1", "good", "hello"),
        json!({"user": {}, "message": {"id": "no-user", "text": "t"}, "chat": {"id": "c"}}),
        json!({"user": "scalar", "message": {"id": "scalar-user", "text": "t"}, "chat": {"id": "c"}}),
        message("u2", "no-text", ""),
        json!({"user": {"id": "u3"}, "message": {"id": "files", "files": [{"url": "https://e.com/f"}]},
            "chat": {"id": "c"}}),
    ]);
    let result = desk.as_application(CONNECTOR, call.clone()).await.result();
    assert_eq!(result["SUCCESS"], json!(true));
    let items = result["DATA"]["RESULT"].as_array().unwrap();
    let outcomes: Vec<_> = items
        .iter()
        .map(|item| item["SUCCESS"].as_bool().unwrap())
        .collect();
    assert_eq!(outcomes, [true, false, false, false, true]);
    assert_eq!(items[3]["ERRORS"], json!([text]));
    assert_eq!(items[3]["message"], json!({"id": "no-text"}));
    assert_eq!(items[3]["chat"], json!({"id": "channel-123"}));
    assert!(items[3].get("session").is_none() && items[0].get("ERRORS").is_none());

    let record = desk.sandbox.record();
    assert!(record.entries[0].executed);
    let delivered: Vec<_> = record.delivered_by_message_id().into_iter().collect();
    assert_eq!(delivered, [("files", 1), ("good", 1)]);

    desk.sandbox.set_dialect(ErrorDialect::Old);
    let result = desk.as_application(CONNECTOR, call).await.result();
    let old = "Not all required data was provided";
    assert_eq!(result["DATA"]["RESULT"][1]["ERRORS"], json!([old]));
}

#[tokio::test]
async fn a_rule_makes_the_named_message_fail() {
    let desk = Desk::open().await;
    let rule = |message_id: Option<&str>, text: Option<&str>, error: &str| MessageRule {
        message_id: message_id.map(str::to_owned),
        text: text.map(str::to_owned),
        error: error.to_owned(),
    };
    desk.sandbox
        .refuse_messages(rule(Some("m2"), None, "by id"));
    desk.sandbox
        .refuse_messages(rule(None, Some("bad"), "by text"));
    let messages = [
        message("u", "m1", "good"),
        message("u", "m2", "good"),
        message("u", "m3", "bad"),
    ];
    let call = connector_call(&messages);
    let result = desk.as_application(CONNECTOR, call.clone()).await.result();
    let errors = |at: usize| result["DATA"]["RESULT"][at]["ERRORS"].clone();
    assert_eq!(
        (errors(0), errors(1), errors(2)),
        (json!(null), json!(["by id"]), json!(["by text"]))
    );
    assert_eq!(
        desk.sandbox
            .record()
            .delivered_by_message_id()
            .into_keys()
            .collect::<Vec<_>>(),
        ["m1"]
    );

    desk.sandbox.clear_faults();
    desk.as_application(CONNECTOR, call).await;
    assert_eq!(
        desk.sandbox.record().delivered_by_message_id()["m1"],
        2,
        "repeats are not detected"
    );
    assert_eq!(desk.sandbox.record().delivered_by_message_id()["m2"], 1);
}

async fn chat_of(desk: &Desk, user: &str, chat: &str) -> Value {
    let mut sent = message(user, "m", "t");
    sent["chat"]["id"] = json!(chat);
    let result = desk
        .as_application(CONNECTOR, connector_call(&[sent]))
        .await
        .result();
    result["DATA"]["RESULT"][0]["session"]["CHAT_ID"].clone()
}

#[tokio::test]
async fn a_dialogue_belongs_to_the_external_user_or_with_chat_group_to_the_external_chat() {
    let desk = Desk::open().await;
    let first = chat_of(&desk, "u1", "c1").await;
    assert_eq!(chat_of(&desk, "u1", "c2").await, first);
    assert_ne!(chat_of(&desk, "u2", "c1").await, first);

    let mut grouped = Portal::demo();
    grouped.connectors[0].chat_group = true;
    let desk = Desk::with(vec![grouped]).await;
    let first = chat_of(&desk, "u1", "c1").await;
    assert_eq!(chat_of(&desk, "u2", "c1").await, first);
    assert_ne!(chat_of(&desk, "u1", "c2").await, first);
}

#[tokio::test]
async fn messages_arrive_from_a_form_or_a_query_with_brackets() {
    let desk = Desk::open().await;
    let form = format!(
        "CONNECTOR=myconnector&LINE=107&MESSAGES[0][user][id]=42&MESSAGES%5B0%5D%5Bmessage%5D%5Bid%5D=m1\
         &MESSAGES[0][message][text]=a+b&MESSAGES[0][chat][id]=c&MESSAGES[1][user][id]=43\
         &MESSAGES[1][message][files][0][url]=https://e.com/f&MESSAGES[1][chat][id]=c&auth={}",
        demo::ACCESS_TOKEN
    );
    let by_query = desk
        .client
        .get(desk.url(&format!("/rest/{CONNECTOR}?{form}")));
    for request in [
        desk.post_form(&format!("/rest/{CONNECTOR}"), &form),
        by_query,
    ] {
        let result = Desk::send(request).await.unwrap().result();
        assert_eq!(result["DATA"]["RESULT"].as_array().unwrap().len(), 2);
    }
    let record = desk.sandbox.record();
    let counts: Vec<_> = record.delivered_by_text().into_iter().collect();
    assert_eq!(counts, [("", 2), ("a b", 2)]);
}
