//! What comes back: ids, times and budgets with their exact values.

use bitrix24_openlines::api::openlines::v1 as api;
use bitrix24_openlines::api::openlines::v1::connector_message_result::Outcome;
use prost_types::{Duration, Timestamp};
use sandbox::{MessageRule, demo};

use super::Desk;
use crate::support::World;
use crate::support::requests::{
    connector_message, connector_messages, crm_message, network_message,
};

const TIME: &str = r#""time":{"start":1773265993,"finish":1773265994.25,"duration":1.25,"processing":0.5,
    "date_start":"2026-03-11T13:53:13+01:00","date_finish":"2026-03-11T13:53:14+01:00",
    "operating_reset_at":1773266593,"operating":12.5}"#;

fn timing() -> api::CallTiming {
    api::CallTiming {
        start_time: Some(Timestamp {
            seconds: 1_773_265_993,
            nanos: 0,
        }),
        finish_time: Some(Timestamp {
            seconds: 1_773_265_994,
            nanos: 250_000_000,
        }),
        duration: Some(Duration {
            seconds: 1,
            nanos: 250_000_000,
        }),
        processing_duration: Some(Duration {
            seconds: 0,
            nanos: 500_000_000,
        }),
        portal_start_date: "2026-03-11T13:53:13+01:00".to_owned(),
        portal_finish_date: "2026-03-11T13:53:14+01:00".to_owned(),
    }
}

fn budget() -> api::OperatingBudget {
    api::OperatingBudget {
        used_duration: Some(Duration {
            seconds: 12,
            nanos: 500_000_000,
        }),
        reset_time: Some(Timestamp {
            seconds: 1_773_266_593,
            nanos: 0,
        }),
        // Of the 480 seconds that `dispatch.operating_limit_seconds` says if nobody sets it.
        remaining_duration: Some(Duration {
            seconds: 467,
            nanos: 500_000_000,
        }),
    }
}

#[tokio::test]
async fn a_crm_message_comes_back_with_its_id_and_the_times() {
    let desk = Desk::answering(&format!("{{\"result\":987654,{TIME}}}")).await;
    let request = crm_message("Hello");
    let response = desk.service.send(request).await.unwrap();
    let expected = api::SendCrmMessageResponse {
        portal_message_id: 987_654,
        timing: Some(timing()),
        operating_budget: Some(budget()),
        ..Default::default()
    };
    assert_eq!(response, expected);
}

#[tokio::test]
async fn a_network_message_comes_back_with_the_times() {
    let desk = Desk::answering(&format!("{{\"result\":true,{TIME}}}")).await;
    let request = network_message("Hello");
    let response = desk.service.send(request).await.unwrap();
    let expected = api::SendNetworkMessageResponse {
        timing: Some(timing()),
        operating_budget: Some(budget()),
        ..Default::default()
    };
    assert_eq!(response, expected);
}

#[tokio::test]
async fn every_field_of_an_accepted_connector_message_comes_back() {
    let result = r#"{"user":"77","SUCCESS":true,
        "message":{"id":"m","date":1773265993,"text":"[B]Hello[/B]","files":[{"name":"a","size":5}]},
        "chat":{"id":"c1","name":"Support","description":"Ссылка"},
        "extra":{"skip_phone_validate":"Y","disable_tracker":"Y"},
        "session":{"ID":"9","CHAT_ID":1341}}"#;
    let document =
        format!(r#"{{"result":{{"SUCCESS":true,"DATA":{{"RESULT":[{result}]}}}},{TIME}}}"#);
    let desk = Desk::answering(&document).await;
    let request = connector_messages(vec![connector_message("m", "Hello")]);

    let response = desk.service.send(request).await.unwrap();
    assert_eq!(
        (response.timing, response.operating_budget),
        (Some(timing()), Some(budget()))
    );
    let [
        api::ConnectorMessageResult {
            outcome: Some(Outcome::Accepted(accepted)),
            ..
        },
    ] = &response.results[..]
    else {
        panic!("{:?}", response.results)
    };
    let message = accepted.message.as_ref().unwrap();
    assert_eq!(message.files.len(), 1);
    let expected = api::AcceptedConnectorMessage {
        portal_user_id: Some(77),
        message: Some(api::ProcessedMessage {
            id: "m".to_owned(),
            send_time: Some(Timestamp {
                seconds: 1_773_265_993,
                nanos: 0,
            }),
            text: "[B]Hello[/B]".to_owned(),
            files: message.files.clone(),
        }),
        chat: Some(api::ProcessedChat {
            id: "c1".to_owned(),
            name: "Support".to_owned(),
            description: "Ссылка".to_owned(),
        }),
        phone_validation_skipped: true,
        crm_tracker_disabled: true,
        session: Some(api::OpenLineSession {
            id: Some(9),
            portal_chat_id: Some(1341),
        }),
    };
    assert_eq!(accepted, &expected);
}

#[tokio::test]
async fn each_result_belongs_to_the_message_in_its_place() {
    let world = World::start().await;
    let refused = |number: usize| number % 3 == 1;
    for number in (0..50).filter(|number| refused(*number)) {
        world.sandbox.refuse_messages(MessageRule {
            message_id: Some(format!("m{number}")),
            text: None,
            error: format!("refused {number}"),
        });
    }
    let messages =
        (0..50).map(|number| connector_message(&format!("m{number}"), &format!("text {number}")));
    let request = connector_messages(messages.collect());
    let response = world.send(request).await.unwrap();
    let results = response.results;
    assert_eq!(results.len(), 50);
    for (number, result) in results.into_iter().enumerate() {
        match result.outcome.unwrap() {
            Outcome::Accepted(accepted) => {
                assert!(!refused(number), "{number}");
                let message = accepted.message.unwrap();
                assert_eq!(
                    (message.id, message.text),
                    (format!("m{number}"), format!("text {number}"))
                );
            }
            Outcome::Error(error) => {
                assert!(refused(number), "{number}");
                assert!(
                    error.message.ends_with(&format!("refused {number}")),
                    "{}",
                    error.message
                );
            }
        }
    }
    let record = world.sandbox.record();
    let counts = record.delivered_by_message_id();
    assert_eq!((counts.len(), counts.values().sum::<usize>()), (33, 33));
}

#[tokio::test]
async fn the_chat_that_a_connector_message_opened_can_be_named_in_a_crm_message() {
    let world = World::start().await;
    let request = connector_messages(vec![connector_message("m", "Hello")]);
    let response = world.send(request).await.unwrap();
    let results = response.results;
    let Some(Outcome::Accepted(accepted)) = &results[0].outcome else {
        panic!("{results:?}")
    };
    let chat = accepted.session.as_ref().unwrap().portal_chat_id.unwrap();
    world.sandbox.alter(demo::HOST, |portal| {
        let mut linked = portal.crm_chats[0].clone();
        linked.chat_id = chat;
        portal.crm_chats.push(linked);
    });
    let mut crm = crm_message("Answer");
    crm.portal_chat_id = chat;
    let response = world.send(crm).await.unwrap();
    assert!(response.portal_message_id > 0);
    assert_eq!(world.sandbox.record().times_delivered("Answer"), 1);
}
