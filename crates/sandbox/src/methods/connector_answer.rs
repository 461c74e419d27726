//! The answer of `imconnector.send.messages` in all the forms that it was seen or feared in.

use serde_json::{Map, Value, json};

use super::send_messages::{Message, echo, map};
use crate::php;
use crate::record::Delivery;
use crate::state::Dialogue;
use crate::switches::{
    AnswerGeneration, ConnectorResult, DateForm, ExtraForm, IdForm, ResultForm, SuccessForm,
    Switches,
};

/// A message that was taken in, or refused with an error.
#[derive(Debug)]
pub(super) struct Judged<'a> {
    pub(super) message: &'a Message<'a>,
    /// The portal's own user for the external one. `None` if the external user is unknown.
    pub(super) portal_user: Option<i64>,
    pub(super) dialogue: Option<Dialogue>,
    pub(super) error: Option<String>,
    pub(super) delivery: Option<Delivery>,
}

/// The value of `result`. `SUCCESS` of the whole stays true when single messages fail.
pub(super) fn result(judged: &[Judged<'_>], switches: &Switches) -> Value {
    if switches.connector_result == ConnectorResult::Bool {
        return json!(true);
    }
    let items = judged.iter().map(|judged| item(judged, switches));
    let items = match switches.result {
        ResultForm::Array => Value::Array(items.collect()),
        ResultForm::Object => Value::Object(
            items
                .enumerate()
                .map(|(at, item)| (at.to_string(), item))
                .collect(),
        ),
    };
    json!({"SUCCESS": success(true, switches), "DATA": {"RESULT": items}})
}

fn item(judged: &Judged<'_>, switches: &Switches) -> Value {
    let mut item = map([
        ("user", judged.portal_user.map(|user| id(user, switches))),
        ("SUCCESS", Some(success(judged.error.is_none(), switches))),
    ]);
    let message = judged.message;
    if let Some(error) = &judged.error {
        item.extend(map([
            (
                "message",
                Some(Value::Object(map([("id", echo(message.message("id")))]))),
            ),
            (
                "chat",
                Some(Value::Object(map([("id", echo(message.chat("id")))]))),
            ),
            ("ERRORS", Some(json!([error]))),
        ]));
        return Value::Object(item);
    }
    let session = judged.dialogue.filter(|_| switches.session).map(|dialogue| {
        json!({"ID": id(dialogue.session_id, switches), "CHAT_ID": id(dialogue.chat_id, switches)})
    });
    item.extend(map([
        ("message", Some(Value::Object(accepted(message, switches)))),
        ("chat", Some(Value::Object(chat(message)))),
        ("extra", extra(message, switches)),
        ("session", session),
    ]));
    Value::Object(item)
}

fn accepted(message: &Message<'_>, switches: &Switches) -> Map<String, Value> {
    let date = match switches.date {
        DateForm::EmptyObject => Some(json!({})),
        DateForm::Unix => php::integer(message.message("date")).map(|date| json!(date)),
    };
    let current = switches.answer_generation == AnswerGeneration::Current;
    let no_tracker = php::is_yes(message.message("disable_crm"));
    map([
        ("id", echo(message.message("id"))),
        ("date", date),
        ("text", Some(json!(message.text()))),
        // Empty in the documented example although a file was sent.
        ("files", current.then(|| json!([]))),
        // The previous page prints the flag as this word.
        (
            "disable_crm",
            (!current && no_tracker).then(|| json!("true")),
        ),
    ])
}

fn chat(message: &Message<'_>) -> Map<String, Value> {
    let url = php::text(message.chat("url")).filter(|url| !url.is_empty());
    map([
        ("id", echo(message.chat("id"))),
        ("name", echo(message.chat("name"))),
        (
            "description",
            url.map(|url| json!(format!("Link to the original post: {url}"))),
        ),
    ])
}

fn extra(message: &Message<'_>, switches: &Switches) -> Option<Value> {
    let flag = |value| php::is_yes(value).then(|| json!("Y"));
    let current = switches.answer_generation == AnswerGeneration::Current;
    let flags = map([
        (
            "skip_phone_validate",
            flag(message.user("skip_phone_validate")),
        ),
        (
            "disable_tracker",
            flag(message.message("disable_crm")).filter(|_| current),
        ),
    ]);
    match switches.extra {
        ExtraForm::Never => None,
        ExtraForm::Missing | ExtraForm::EmptyArray if !flags.is_empty() => {
            Some(Value::Object(flags))
        }
        ExtraForm::Missing => None,
        ExtraForm::EmptyArray => Some(json!([])),
    }
}

fn id(id: i64, switches: &Switches) -> Value {
    match switches.ids {
        IdForm::Text => json!(id.to_string()),
        IdForm::Number => json!(id),
    }
}

fn success(success: bool, switches: &Switches) -> Value {
    match switches.success {
        SuccessForm::Bool => json!(success),
        SuccessForm::TrueFalse => json!(if success { "true" } else { "false" }),
        SuccessForm::YesNo => json!(if success { "Y" } else { "N" }),
    }
}
