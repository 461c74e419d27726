//! Parameters of every shape.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Ordinary names and texts, ones that are hard to encode, and arbitrary ones.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[ -~]{0,20}",
        "[\\[\\]=&%+$.;#?/ \\\\\"'\u{0}-\u{1f}]{0,12}",
        "[а-яё 🙂😀]{0,10}",
        Just("100 % & more = [b]fun[/b]? 1+1".to_owned()),
        Just("%D1%8F+%20".to_owned()),
    ]
}

/// Mostly keys that Bitrix24 uses; the others must be sent alone or mean the same.
fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => "[A-Za-z_][A-Za-z0-9_-]{0,6}",
        1 => "[0-9]{1,3}",
        1 => any::<String>(),
        1 => "[ .\\[\\]a]{0,3}",
    ]
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        6 => text().prop_map(Value::from),
        2 => any::<i64>().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        // Every language prints halves alike.
        1 => (-100_000_i32..100_000).prop_map(|number| json!(f64::from(number) + 0.5)),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..5).prop_map(Value::from),
            prop::collection::btree_map(key(), inner, 1..5).prop_map(of_entries),
        ]
    })
}

/// Parameters of a method.
pub(super) fn parameters() -> impl Strategy<Value = Value> {
    prop::collection::btree_map(key(), value(), 0..5).prop_map(of_entries)
}

/// One or more messages of a connector, with texts in every field.
pub(super) fn messages() -> impl Strategy<Value = Value> {
    let message = (text(), text(), text(), text(), any::<bool>()).prop_map(
        |(id, name, text, chat, has_file)| {
            let mut message = json!({
                "user": {"id": format!("u{id}"), "name": format!("n{name}")},
                "message": {"id": format!("m{id}"), "date": 1_773_265_993, "text": format!("t{text}")},
                "chat": {"id": format!("c{chat}"), "name": name},
            });
            if has_file {
                message["message"]["files"] = json!([{"url": format!("https://x.example/{id}"), "name": text}]);
            }
            message
        },
    );
    prop::collection::vec(message, 1..4).prop_map(Value::from)
}

/// A text for every kind of message.
pub(super) fn message_text() -> impl Strategy<Value = String> {
    text()
}

fn of_entries(entries: impl IntoIterator<Item = (String, Value)>) -> Value {
    Value::Object(entries.into_iter().collect())
}

/// The parameters as PHP decodes them from a query: texts, and lists where the keys are 0, 1, 2…
/// in order.
pub(super) fn as_decoded(value: &Value) -> Value {
    match value {
        Value::Bool(on) => json!(if *on { "1" } else { "0" }),
        Value::Number(number) => json!(number.to_string()),
        Value::Null | Value::String(_) => value.clone(),
        Value::Array(items) => items.iter().map(as_decoded).collect(),
        Value::Object(map) => {
            let is_list = map
                .keys()
                .enumerate()
                .all(|(at, key)| *key == at.to_string());
            let values = map
                .iter()
                .map(|(key, value)| (key.clone(), as_decoded(value)));
            if is_list && !map.is_empty() {
                values.map(|(_, value)| value).collect()
            } else {
                Value::Object(values.collect::<Map<_, _>>())
            }
        }
    }
}
