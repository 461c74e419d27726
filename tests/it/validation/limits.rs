//! Limits, exactly at them and one above.

use bitrix24_openlines::api::openlines::v1 as api;
use bitrix24_openlines::api::openlines::v1::send_network_message_request::{
    AttachmentForm, KeyboardForm,
};
use sandbox::demo;

use super::{assert_nothing_sent, assert_only_violation};
use crate::support::World;
use crate::support::requests::{
    connector_message, connector_messages, crm_message, network_message,
};

/// An attachment of one text whose JSON has so many bytes.
pub(super) fn attachment_of(bytes: usize) -> AttachmentForm {
    // {"BLOCKS":[{"MESSAGE":"…"}]}
    attachment_with("x".repeat(bytes - r#"{"BLOCKS":[{"MESSAGE":""}]}"#.len()))
}

fn attachment_with(text: String) -> AttachmentForm {
    AttachmentForm::Attachment(api::Attachment {
        blocks: vec![api::AttachmentBlock {
            block: Some(api::attachment_block::Block::Message(text)),
        }],
        ..Default::default()
    })
}

/// A keyboard of one link whose JSON has so many bytes.
pub(super) fn keyboard_of(bytes: usize) -> KeyboardForm {
    let empty = r#"{"BUTTONS":[{"LINK":"https://a/b","TEXT":""}]}"#;
    let button = api::KeyboardButton {
        text: "x".repeat(bytes - empty.len()),
        action: Some(api::keyboard_button::Action::Url("https://a/b".to_owned())),
        ..Default::default()
    };
    KeyboardForm::Keyboard(api::Keyboard {
        items: vec![api::KeyboardItem {
            item: Some(api::keyboard_item::Item::Button(button)),
        }],
    })
}

#[tokio::test]
async fn a_text_of_20000_characters_is_sent_whatever_its_bytes() {
    let world = World::start().await;
    for text in ["я".repeat(20_000), "🙂".repeat(20_000)] {
        world.send(crm_message(&text)).await.unwrap();
        assert_eq!(world.sandbox.record().times_delivered(&text), 1);
    }
}

#[tokio::test]
async fn a_hundred_messages_are_sent_in_one_call() {
    let world = World::start().await;
    let messages = (0..100).map(|number| connector_message(&format!("m{number}"), "text"));
    world
        .send(connector_messages(messages.collect()))
        .await
        .unwrap();
    let record = world.sandbox.record();
    assert_eq!(
        (record.entries.len(), record.delivered_by_message_id().len()),
        (1, 100)
    );
}

#[tokio::test]
async fn an_attachment_and_a_keyboard_of_30720_bytes_of_json_are_sent() {
    let world = World::start().await;
    let mut request = network_message("text");
    request.attachment_form = Some(attachment_of(30_720));
    request.keyboard_form = Some(keyboard_of(30_720));
    world.send(request).await.unwrap();
    assert_eq!(world.sandbox.record().times_delivered("text"), 1);
}

#[tokio::test]
async fn one_byte_more_of_json_is_too_large() {
    let world = World::start().await;
    let mut request = network_message("text");
    request.attachment_form = Some(attachment_of(30_721));
    let status = world.send(request).await.unwrap_err();
    assert_only_violation(&status, "attachment", "TOO_LARGE");
    assert!(
        status.message().contains("30721 bytes"),
        "{}",
        status.message()
    );

    let mut request = network_message("text");
    request.keyboard_form = Some(keyboard_of(30_721));
    let status = world.send(request).await.unwrap_err();
    assert_only_violation(&status, "keyboard", "TOO_LARGE");
    assert_nothing_sent(&world);
}

/// Characters that JSON escapes count as they are sent, and those of two bytes as two.
#[tokio::test]
async fn the_size_is_that_of_the_json_and_not_of_the_fields() {
    let world = World::start().await;
    world
        .sandbox
        .alter(demo::HOST, |portal| portal.nfr_licence = true);
    let room = 30_720 - r#"{"BLOCKS":[{"MESSAGE":""}]}"#.len();
    for character in ["\"", "я", "\n"] {
        let mut request = network_message("text");
        request.attachment_form = Some(attachment_with(character.repeat(room / 2)));
        world.send(request.clone()).await.unwrap();
        request.attachment_form = Some(attachment_with(character.repeat(room / 2 + 1)));
        let status = world.send(request).await.unwrap_err();
        assert_only_violation(&status, "attachment", "TOO_LARGE");
    }
    assert_eq!(world.sandbox.record().entries.len(), 3);
}
