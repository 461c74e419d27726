//! The result of `imconnector.send.messages` in all observed and suspected forms.

use serde_json::{Map, Value, json};

use super::message::Message;
use crate::php;
use crate::record::Delivery;
use crate::state::Dialogue;
use crate::switches::{
    AnswerGeneration, ConnectorResult, DateForm, ExtraForm, IdForm, ResultForm, SuccessForm,
    Switches,
};

/// An accepted or refused message.
#[derive(Debug)]
pub(crate) struct MessageResult<'a> {
    pub(crate) message: &'a Message<'a>,
    /// The portal's own user for the external one. `None` if the message names no external user.
    pub(crate) portal_user: Option<i64>,
    pub(crate) dialogue: Option<Dialogue>,
    pub(crate) error: Option<String>,
    pub(crate) delivery: Option<Delivery>,
}

/// The value of `result`. The outer `SUCCESS` stays true when single messages fail.
pub(crate) fn write(results: &[MessageResult<'_>], switches: &Switches) -> Value {
    if switches.connector_result == ConnectorResult::Bool {
        return json!(true);
    }
    let items = results.iter().map(|result| item(result, switches));
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

fn item(result: &MessageResult<'_>, switches: &Switches) -> Value {
    let mut item = map([
        ("user", result.portal_user.map(|user| id(user, switches))),
        ("SUCCESS", Some(success(result.error.is_none(), switches))),
    ]);
    let message = result.message;
    if let Some(error) = &result.error {
        let id = |id| Some(Value::Object(map([("id", echo(id))])));
        item.extend(map([
            ("message", id(message.message("id"))),
            ("chat", id(message.chat("id"))),
            ("ERRORS", Some(json!([error]))),
        ]));
        return Value::Object(item);
    }
    let session = result.dialogue.filter(|_| switches.session).map(|dialogue| {
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

/// A map of the entries that have a value.
fn map<const N: usize>(entries: [(&str, Option<Value>); N]) -> Map<String, Value> {
    let present = entries
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)));
    present.collect()
}

/// An external value as the portal echoes it, as text.
fn echo(value: Option<&Value>) -> Option<Value> {
    php::text(value).map(|text| json!(text))
}
