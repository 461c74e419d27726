//! `KEYBOARD`: the check of a keyboard, typed or as Bitrix24's own JSON, and its form under
//! Bitrix24's names.
//!
//! Source: page "message keyboards"; method page `imopenlines.network.message.add` for the rule on
//! links.

use serde_json::Value;

use super::json_object::JsonObject;
use crate::api::openlines::v1 as api;
use crate::api::openlines::v1::keyboard_button::Action;
use crate::api::openlines::v1::keyboard_item::Item;
use crate::check::Check;
use crate::check::Path;

const LINKS_ONLY: &str = "network messages accept buttons with a link only; give url instead";

pub(super) fn check(path: Path<'_>, keyboard: &api::Keyboard, check: &mut Check) {
    check.some(path.field("items"), &keyboard.items);
    for (index, item) in keyboard.items.iter().enumerate() {
        let path = path.field("items").item(index);
        match &item.item {
            None => check.wrong(
                path.field("item"),
                "REQUIRED",
                "is required; give a button or a row break",
            ),
            Some(Item::RowBreak(_)) => {}
            Some(Item::Button(button)) => check_button(path.field("button"), button, check),
        }
    }
}

fn check_button(path: Path<'_>, button: &api::KeyboardButton, check: &mut Check) {
    check.nonempty(path.field("text"), &button.text);
    match &button.action {
        None => check.wrong(path.field("action"), "REQUIRED", "is required; give url"),
        Some(Action::Url(url)) => check.required_url(path.field("url"), url),
        Some(Action::BotCommand(_)) => {
            check.wrong(path.field("bot_command"), "LINK_ONLY", LINKS_ONLY);
        }
        Some(Action::MessengerAction(_)) => {
            check.wrong(path.field("messenger_action"), "LINK_ONLY", LINKS_ONLY);
        }
        Some(Action::ApplicationLaunch(_)) => {
            check.wrong(path.field("application_launch"), "LINK_ONLY", LINKS_ONLY);
        }
    }
    check.known::<api::ButtonContext>(path.field("context"), button.context);
    check.known::<api::ButtonDisplay>(path.field("display"), button.display);
    check.not_negative(path.field("width_pixels"), button.width_pixels);
    let token = button.background_color_token;
    check.known::<api::ColorToken>(path.field("background_color_token"), token);
    for (field, color) in [
        ("background_color", &button.background_color),
        ("text_color", &button.text_color),
        (
            "disabled_background_color",
            &button.disabled_background_color,
        ),
        ("disabled_text_color", &button.disabled_text_color),
    ] {
        check.color(path.field(field), color);
    }
}

/// Checks a keyboard in Bitrix24's own form for the one rule that network messages add.
pub(super) fn check_json(path: Path<'_>, keyboard: &Value, check: &mut Check) {
    let Some(buttons) = keyboard.get("BUTTONS").and_then(Value::as_array) else {
        check.wrong(path, "REQUIRED", "has no list BUTTONS; give one");
        return;
    };
    if !buttons.iter().all(is_link_or_row_break) {
        check.wrong(path, "LINK_ONLY", LINKS_ONLY);
    }
}

fn is_link_or_row_break(button: &Value) -> bool {
    let has = |key: &str| button.get(key).is_some();
    let is_row_break = button.get("TYPE").and_then(Value::as_str) == Some("NEWLINE");
    let has_link = button
        .get("LINK")
        .and_then(Value::as_str)
        .is_some_and(|link| !link.is_empty());
    (is_row_break || has_link) && !has("COMMAND") && !has("ACTION") && !has("APP_ID")
}

/// The keyboard as Bitrix24's JSON.
pub(super) fn to_json(keyboard: &api::Keyboard) -> Value {
    let buttons: Vec<Value> = keyboard
        .items
        .iter()
        .filter_map(|item| match item.item.as_ref()? {
            Item::Button(button) => Some(button_to_json(button)),
            Item::RowBreak(_) => Some(JsonObject::default().text("TYPE", "NEWLINE").build()),
        })
        .collect();
    JsonObject::default().put("BUTTONS", buttons).build()
}

fn button_to_json(button: &api::KeyboardButton) -> Value {
    let context = match button.context() {
        api::ButtonContext::Unspecified => "",
        api::ButtonContext::Mobile => "MOBILE",
        api::ButtonContext::Desktop => "DESKTOP",
        api::ButtonContext::All => "ALL",
    };
    let display = match button.display() {
        api::ButtonDisplay::Unspecified => "",
        api::ButtonDisplay::Line => "LINE",
        api::ButtonDisplay::Block => "BLOCK",
    };
    action_to_json(button.action.as_ref())
        .text("TEXT", &button.text)
        .switch("DISABLED", button.disabled)
        .text("CONTEXT", context)
        .text("DISPLAY", display)
        .number("WIDTH", button.width_pixels)
        .text("BG_COLOR", &button.background_color)
        .color_token("BG_COLOR_TOKEN", button.background_color_token())
        .text("TEXT_COLOR", &button.text_color)
        .text("OFF_BG_COLOR", &button.disabled_background_color)
        .text("OFF_TEXT_COLOR", &button.disabled_text_color)
        .build()
}

fn action_to_json(action: Option<&Action>) -> JsonObject {
    let object = JsonObject::default();
    match action {
        None => object,
        Some(Action::Url(url)) => object.text("LINK", url),
        Some(Action::BotCommand(command)) => object
            .text("COMMAND", &command.command)
            .text("COMMAND_PARAMS", &command.parameters)
            .switch("BLOCK", command.block_keyboard),
        Some(Action::MessengerAction(action)) => {
            let kind = match action.r#type() {
                api::MessengerActionType::Unspecified => "",
                api::MessengerActionType::Put => "PUT",
                api::MessengerActionType::Send => "SEND",
                api::MessengerActionType::Copy => "COPY",
                api::MessengerActionType::Call => "CALL",
                api::MessengerActionType::Dialog => "DIALOG",
            };
            object
                .text("ACTION", kind)
                .text("ACTION_VALUE", &action.value)
        }
        Some(Action::ApplicationLaunch(launch)) => object
            .number("APP_ID", launch.application_id)
            .text("APP_PARAMS", &launch.parameters),
    }
}
