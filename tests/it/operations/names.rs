//! Names and connectors as people write them, at a portal that accepts only what is documented.

use bitrix24_openlines::api::openlines::v1 as api;
use sandbox::{InvalidName, demo};

use crate::support::requests::{connector_message, connector_messages};
use crate::support::{Told, World};

fn named(id: &str, first_name: &str, last_name: &str) -> api::ConnectorMessage {
    let mut message = connector_message(id, &format!("from {id}"));
    let user = message.user.as_mut().unwrap();
    user.first_name = first_name.to_owned();
    user.last_name = last_name.to_owned();
    message
}

fn messages() -> api::SendConnectorMessagesRequest {
    connector_messages(vec![
        named("m1", "Anna", "K"),
        named("m2", "+7 900 123-45-67", ""),
        named("m3", "Anna 🌸", "K. (Sales)"),
    ])
}

async fn world(rule: &str) -> World {
    let world = World::with_settings(&[("VALIDATION_NAMES", rule)]).await;
    (world.sandbox).switch(|switches| switches.invalid_name = InvalidName::Refuse);
    world
}

#[tokio::test]
async fn names_are_cleaned_if_the_operator_wants_it_and_each_result_says_so() {
    let world = world("clean").await;
    let response = world.send(messages()).await.unwrap();
    let changed: Vec<_> = (response.results.iter())
        .map(|result| result.changed_names.join(", "))
        .collect();
    assert_eq!(
        changed,
        ["", "user.first_name", "user.first_name, user.last_name"]
    );
    for id in ["m1", "m2", "m3"] {
        let text = format!("from {id}");
        assert_eq!(world.sandbox.record().times_delivered(&text), 1);
    }
}

#[tokio::test]
async fn otherwise_one_name_rejects_its_call_or_is_sent_as_it_is() {
    let strict = world("strict").await;
    let status = strict.send(messages()).await.unwrap_err();
    let fields = status.violations().into_iter().map(|(field, _)| field);
    assert_eq!(
        fields.collect::<Vec<_>>(),
        [
            "messages[1].user.first_name",
            "messages[2].user.first_name",
            "messages[2].user.last_name"
        ]
    );
    let unchecked = world("unchecked").await;
    let response = unchecked.send(messages()).await.unwrap();
    assert!((response.results.iter()).all(|result| result.changed_names.is_empty()));
    assert_eq!(unchecked.sandbox.record().times_delivered("from m1"), 1);
    assert_eq!(unchecked.sandbox.record().times_delivered("from m2"), 0);
}

#[tokio::test]
async fn a_connector_is_found_whatever_the_case_of_its_id() {
    let world = World::start().await;
    let request = api::SendConnectorMessagesRequest {
        connector_id: demo::CONNECTOR.to_uppercase(),
        ..connector_messages(vec![connector_message("m1", "Hello")])
    };
    world.send(request).await.unwrap();
    assert_eq!(world.sandbox.record().times_delivered("Hello"), 1);
}
