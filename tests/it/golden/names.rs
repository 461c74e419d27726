//! What callers are told of names and connectors as people write them.

use bitrix24_openlines::api::json;
use bitrix24_openlines::api::openlines::v1 as api;
use sandbox::{InvalidName, TimeForm, demo};

use super::{folder, request, sorted, told};
use crate::support::requests::{connector_message, connector_messages};
use crate::support::{APPLICATION, World};

/// Its files begin with the caller's request.
pub(super) const FOLDER: &str = "requests";

/// Names as connectors send them.
const NAMES: [&str; 18] = [
    "Anna",
    "+7 900 123-45-67",
    "79001234567",
    "Anna 🌸",
    "🌸",
    "K. (Sales)",
    "Ann4",
    "user_42",
    "@anna",
    "Dr. O'Neill",
    "Анна-Мария",
    "Abdulrahman Al-Mutawakkil bin Yusuf",
    "anna@example.com",
    "Anna\tMaria",
    "  Anna  ",
    "阿娜",
    "-",
    "Client #1007",
];

fn names() -> api::SendConnectorMessagesRequest {
    let messages = (1..).zip(NAMES).map(|(number, name)| {
        let mut message = connector_message(&format!("m{number}"), "Hello");
        message.user.as_mut().unwrap().first_name = name.to_owned();
        message
    });
    connector_messages(messages.collect())
}

fn connector_in_capitals() -> api::SendConnectorMessagesRequest {
    api::SendConnectorMessagesRequest {
        connector_id: demo::CONNECTOR.to_uppercase(),
        ..connector_messages(vec![connector_message("m1", "Hello")])
    }
}

#[tokio::test]
async fn every_request_becomes_what_its_golden_file_says() {
    for (file, rule, sent) in [
        ("names_strict", "strict", names()),
        ("names_unchecked", "unchecked", names()),
        ("names_clean", "clean", names()),
        ("connector_in_capitals", "strict", connector_in_capitals()),
    ] {
        let world = World::with_settings(&[("VALIDATION_NAMES", rule)]).await;
        world.sandbox.switch(|switches| {
            switches.invalid_name = InvalidName::Refuse;
            // Each run has times of its own.
            switches.time = TimeForm::Absent;
        });
        let sent = api::SendConnectorMessagesRequest {
            tenant_id: APPLICATION.to_owned(),
            ..sent
        };
        let shown = sorted(&json::of_message(&sent).unwrap());
        let mut client = world.client().await;
        let told = told(client.send_connector_messages(request(&world, sent)).await);
        let text = format!(
            "# With validation.names: {rule} the caller sends\n{shown}\n\n# The caller is told\n{told}\n"
        );
        let path = folder().join(FOLDER).join(file).with_extension("txt");
        expect_test::expect_file![path].assert_eq(&text);
    }
}
