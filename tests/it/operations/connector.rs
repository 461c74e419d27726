//! The parameters of `imconnector.send.messages`.

use bitrix24_openlines::api::openlines::v1 as api;
use prost_types::Timestamp;
use sandbox::demo;
use serde_json::json;

use super::{Desk, parameters};
use crate::support::requests::{connector_message, connector_messages};

const DONE: &str = r#"{"result":{"SUCCESS":true,"DATA":{"RESULT":[{"SUCCESS":true}]}}}"#;

fn full() -> api::ConnectorMessage {
    let file = |url: &str, name: &str| api::ExternalFile {
        url: url.to_owned(),
        name: name.to_owned(),
    };
    api::ConnectorMessage {
        user: Some(api::ExternalUser {
            id: "u-1".to_owned(),
            first_name: "Ада".to_owned(),
            last_name: "O’Hara".to_owned(),
            picture_url: "https://example.com/p.png".to_owned(),
            profile_url: "https://example.com/u/1".to_owned(),
            gender: api::Gender::Female.into(),
            email: "ada@example.com".to_owned(),
            phone: "+44 20 1234".to_owned(),
            skip_phone_validation: true,
        }),
        message: Some(api::ExternalMessage {
            id: "m-1".to_owned(),
            send_time: Some(Timestamp {
                seconds: 1_773_265_993,
                nanos: 999_999_999,
            }),
            text: "Hello".to_owned(),
            files: vec![
                file("https://example.com/a.pdf", "a.pdf"),
                file("http://example.com/b", ""),
            ],
            disable_crm_tracker: true,
            portal_user_id: Some(27),
        }),
        chat: Some(api::ExternalChat {
            id: "c-1".to_owned(),
            name: "Support".to_owned(),
            url: "https://example.com/c/1".to_owned(),
        }),
    }
}

#[tokio::test]
async fn every_field_of_a_message_arrives_under_its_name() {
    let desk = Desk::answering(DONE).await;
    let request = desk.sent(connector_messages(vec![full()])).await;
    assert_eq!(
        request.request_line(),
        "POST /rest/imconnector.send.messages HTTP/1.1"
    );
    let expected = json!({
        "CONNECTOR": demo::CONNECTOR,
        "LINE": demo::LINE,
        "MESSAGES": [{
            "user": {
                "id": "u-1",
                "last_name": "O’Hara",
                "name": "Ада",
                "picture": {"url": "https://example.com/p.png"},
                "url": "https://example.com/u/1",
                "gender": "female",
                "email": "ada@example.com",
                "phone": "+44 20 1234",
                "skip_phone_validate": "Y",
            },
            "message": {
                "id": "m-1",
                "date": 1_773_265_993,
                "text": "Hello",
                "files": [
                    {"url": "https://example.com/a.pdf", "name": "a.pdf"},
                    {"url": "http://example.com/b"},
                ],
                "disable_crm": "Y",
                "user_id": 27,
            },
            "chat": {"id": "c-1", "name": "Support", "url": "https://example.com/c/1"},
        }],
        "auth": demo::ACCESS_TOKEN,
    });
    assert_eq!(request.json(), expected);
}

#[tokio::test]
async fn what_is_not_given_is_not_sent() {
    let desk = Desk::answering(DONE).await;
    let request = desk
        .sent(connector_messages(vec![connector_message("m", "Hello")]))
        .await;
    let expected = json!([{
        "user": {"id": "u1"},
        "message": {"id": "m", "text": "Hello"},
        "chat": {"id": "c1"},
    }]);
    assert_eq!(parameters(&request)["MESSAGES"], expected);
}

#[tokio::test]
async fn the_system_user_differs_from_no_user() {
    let desk = Desk::answering(DONE).await;
    for (given, expected) in [
        (Some(0), json!(0)),
        (None, json!(null)),
        (Some(5), json!(5)),
    ] {
        let mut message = connector_message("m", "Hello");
        message.message.as_mut().unwrap().portal_user_id = given;
        let request = desk.sent(connector_messages(vec![message])).await;
        let sent = parameters(&request)["MESSAGES"][0]["message"].clone();
        assert_eq!(sent["user_id"], expected);
        assert_eq!(sent.get("user_id").is_some(), given.is_some());
    }
}

#[tokio::test]
async fn both_genders_have_bitrix24s_words() {
    let desk = Desk::answering(DONE).await;
    for (gender, expected) in [
        (api::Gender::Unspecified, json!(null)),
        (api::Gender::Male, json!("male")),
        (api::Gender::Female, json!("female")),
    ] {
        let mut message = connector_message("m", "Hello");
        message.user.as_mut().unwrap().gender = gender.into();
        let request = desk.sent(connector_messages(vec![message])).await;
        assert_eq!(
            parameters(&request)["MESSAGES"][0]["user"]["gender"],
            expected
        );
    }
}

#[tokio::test]
async fn messages_keep_their_order() {
    let desk = Desk::answering(DONE).await;
    let ids: Vec<String> = (0..100).rev().map(|number| format!("m{number}")).collect();
    let messages = ids.iter().map(|id| connector_message(id, "Hello"));
    let request = desk.sent(connector_messages(messages.collect())).await;
    let body = parameters(&request);
    let sent = body["MESSAGES"].as_array().unwrap().iter();
    let sent: Vec<_> = sent
        .map(|message| message["message"]["id"].as_str().unwrap())
        .collect();
    assert_eq!(sent, ids);
}
