//! The rules of keyboards: typed ones, and those in Bitrix24's own form.

use crate::api::openlines::v1 as api;
use crate::api::openlines::v1::keyboard_button::Action;
use crate::api::openlines::v1::keyboard_item::Item;
use crate::api::openlines::v1::send_network_message_request::KeyboardForm;
use prost_types::value::Kind;
use serde_json::{Value, json};

use super::{assert_only_violation, network_message, url_of};
use crate::openlines::json_struct;
use crate::openlines::network_message::SendNetworkMessage;

/// A keyboard whose second item is the button in question.
fn button(change: impl FnOnce(&mut api::KeyboardButton)) -> api::Keyboard {
    let mut button = api::KeyboardButton {
        text: "Open".to_owned(),
        action: Some(Action::Url("https://example.com/".to_owned())),
        ..Default::default()
    };
    change(&mut button);
    let items = [Item::RowBreak(api::RowBreak {}), Item::Button(button)];
    api::Keyboard {
        items: items
            .map(|item| api::KeyboardItem { item: Some(item) })
            .into(),
    }
}

fn with_action(action: Action) -> api::Keyboard {
    button(|button| button.action = Some(action))
}

fn url(url: &str) -> api::Keyboard {
    with_action(Action::Url(url.to_owned()))
}

fn assert_each<const N: usize>(cases: [(&str, &str, api::Keyboard); N]) {
    for (field, rule, keyboard) in cases {
        let mut request = network_message("text");
        request.keyboard_form = Some(KeyboardForm::Keyboard(keyboard));
        assert_only_violation::<SendNetworkMessage>(&request, field, rule);
    }
}

#[test]
fn each_rule_of_a_keyboard_is_named_alone() {
    let empty_item = api::Keyboard {
        items: vec![api::KeyboardItem { item: None }],
    };
    let long = url_of(2049);
    let red = || "red".to_owned();
    assert_each([
        ("keyboard.items", "REQUIRED", api::Keyboard::default()),
        ("keyboard.items[0].item", "REQUIRED", empty_item),
        (
            "keyboard.items[1].button.text",
            "REQUIRED",
            button(|b| b.text.clear()),
        ),
        (
            "keyboard.items[1].button.action",
            "REQUIRED",
            button(|b| b.action = None),
        ),
        ("keyboard.items[1].button.url", "REQUIRED", url("")),
        ("keyboard.items[1].button.url", "ADDRESS", url("/crm/")),
        (
            "keyboard.items[1].button.url",
            "ADDRESS",
            url("javascript:alert(1)"),
        ),
        ("keyboard.items[1].button.url", "TOO_LONG", url(&long)),
        (
            "keyboard.items[1].button.context",
            "UNKNOWN_VALUE",
            button(|b| b.context = 4),
        ),
        (
            "keyboard.items[1].button.display",
            "UNKNOWN_VALUE",
            button(|b| b.display = 3),
        ),
        (
            "keyboard.items[1].button.width_pixels",
            "NEGATIVE",
            button(|b| b.width_pixels = -1),
        ),
        (
            "keyboard.items[1].button.background_color_token",
            "UNKNOWN_VALUE",
            button(|b| b.background_color_token = 5),
        ),
        (
            "keyboard.items[1].button.background_color",
            "COLOR",
            button(|b| b.background_color = red()),
        ),
        (
            "keyboard.items[1].button.text_color",
            "COLOR",
            button(|b| b.text_color = red()),
        ),
        (
            "keyboard.items[1].button.disabled_background_color",
            "COLOR",
            button(|b| b.disabled_background_color = red()),
        ),
        (
            "keyboard.items[1].button.disabled_text_color",
            "COLOR",
            button(|b| b.disabled_text_color = red()),
        ),
    ]);
}

#[test]
fn a_button_that_does_more_than_link_is_refused() {
    let command = api::BotCommand {
        command: "help".to_owned(),
        ..Default::default()
    };
    let action = api::MessengerAction {
        r#type: api::MessengerActionType::Send.into(),
        value: "x".to_owned(),
    };
    let launch = api::ApplicationLaunch {
        application_id: 5,
        ..Default::default()
    };
    assert_each([
        (
            "keyboard.items[1].button.bot_command",
            "LINK_ONLY",
            with_action(Action::BotCommand(command)),
        ),
        (
            "keyboard.items[1].button.messenger_action",
            "LINK_ONLY",
            with_action(Action::MessengerAction(action)),
        ),
        (
            "keyboard.items[1].button.application_launch",
            "LINK_ONLY",
            with_action(Action::ApplicationLaunch(launch)),
        ),
    ]);
}

fn assert_struct_refused(keyboard: &Value, rule: &str) {
    let Some(Kind::StructValue(keyboard)) = json_struct::from_json(keyboard).kind else {
        panic!("{keyboard} is not an object");
    };
    let mut request = network_message("text");
    request.keyboard_form = Some(KeyboardForm::KeyboardStruct(keyboard));
    assert_only_violation::<SendNetworkMessage>(&request, "keyboard_struct", rule);
}

#[test]
fn a_keyboard_in_bitrix24s_own_form_needs_its_list_of_buttons() {
    for keyboard in [json!({}), json!({"BUTTONS": {}}), json!({"buttons": []})] {
        assert_struct_refused(&keyboard, "REQUIRED");
    }
}

#[test]
fn a_button_in_bitrix24s_own_form_may_only_be_a_link_too() {
    let link = json!({"TEXT": "Open", "LINK": "https://example.com/"});
    for other in [
        json!({"TEXT": "x", "COMMAND": "help"}),
        json!({"TEXT": "x", "ACTION": "SEND", "ACTION_VALUE": "y"}),
        json!({"TEXT": "x", "APP_ID": 3}),
        json!({"TEXT": "x", "LINK": "https://example.com/", "COMMAND": "help"}),
    ] {
        assert_struct_refused(&json!({"BUTTONS": [link, other]}), "LINK_ONLY");
    }
}
