//! The rules of KEYBOARD (page "message keyboards"), narrowed by the method page to link buttons.

use serde_json::{Map, Value};

use super::shape::{COLOUR_TOKENS, Field, Kind, fits, optional, required};
use crate::php;

/// Whether the value is a correctly built KEYBOARD for a network message.
pub(crate) fn is_correct(keyboard: &Value) -> bool {
    let buttons = match keyboard {
        Value::Array(buttons) => Some(buttons),
        Value::Object(full) => full.get("BUTTONS").and_then(Value::as_array),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    };
    buttons.is_some_and(|buttons| {
        !buttons.is_empty() && buttons.iter().all(|b| b.as_object().is_some_and(is_button))
    })
}

fn is_button(button: &Map<String, Value>) -> bool {
    match button.get("TYPE").and_then(Value::as_str) {
        // A row break has no other field.
        Some("NEWLINE") => button.len() == 1,
        _ => {
            fits(button, BUTTON)
                && OTHER_ACTIONS
                    .iter()
                    .all(|name| php::is_empty(button.get(*name)))
        }
    }
}

/// Other actions of buttons. In a network message only a link is allowed.
const OTHER_ACTIONS: [&str; 6] = [
    "COMMAND",
    "COMMAND_PARAMS",
    "ACTION",
    "ACTION_VALUE",
    "APP_ID",
    "APP_PARAMS",
];

const YES_NO: Kind = Kind::OneOf(&["Y", "N"]);

const BUTTON: &[Field] = &[
    required("TEXT", Kind::Text),
    required("LINK", Kind::Url),
    optional("TYPE", Kind::OneOf(&[])),
    optional("BLOCK", YES_NO),
    optional("DISABLED", YES_NO),
    optional("CONTEXT", Kind::OneOf(&["MOBILE", "DESKTOP", "ALL"])),
    optional("DISPLAY", Kind::OneOf(&["LINE", "BLOCK"])),
    optional("WIDTH", Kind::Integer),
    optional("BG_COLOR", Kind::Colour),
    optional("TEXT_COLOR", Kind::Colour),
    optional("OFF_BG_COLOR", Kind::Colour),
    optional("OFF_TEXT_COLOR", Kind::Colour),
    optional("BG_COLOR_TOKEN", COLOUR_TOKENS),
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn link_buttons_and_row_breaks_are_accepted_in_both_forms() {
        let buttons = json!([
            {"TEXT": "Open", "LINK": "https://www.example.com/", "BG_COLOR_TOKEN": "primary", "DISPLAY": "LINE"},
            {"TYPE": "NEWLINE"},
            {"TEXT": "Here", "LINK": "/path", "WIDTH": 100, "DISABLED": "N", "BG_COLOR": "#fff"},
        ]);
        assert!(is_correct(&json!({"BUTTONS": buttons})));
        assert!(is_correct(&buttons));
    }

    #[test]
    fn what_is_no_link_button_is_refused() {
        for bad in [
            json!("text"),
            json!({}),
            json!({"BUTTONS": []}),
            json!([["TEXT"]]),
            json!([{"LINK": "/x"}]),
            json!([{"TEXT": "no link"}]),
            json!([{"TEXT": "x", "LINK": "javascript:alert(1)"}]),
            json!([{"TEXT": "x", "COMMAND": "help"}]),
            json!([{"TEXT": "x", "LINK": "/x", "ACTION": "SEND", "ACTION_VALUE": "y"}]),
            json!([{"TEXT": "x", "APP_ID": 3}]),
            json!([{"TEXT": "x", "LINK": "/x", "DISPLAY": "ROUND"}]),
            json!([{"TEXT": "x", "LINK": "/x", "TYPE": "BUTTON"}]),
            json!([{"TYPE": "NEWLINE", "TEXT": "x"}]),
        ] {
            assert!(!is_correct(&bad), "{bad}");
        }
    }
}
