//! Values as PHP treats them.

use serde_json::Value;

/// Whether PHP calls the value empty: missing, `null`, `false`, `0`, `""`, `"0"`, `[]`.
pub(crate) fn is_empty(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::Bool(flag)) => !flag,
        Some(Value::Number(number)) => number.as_f64() == Some(0.0),
        Some(Value::String(text)) => text.is_empty() || text == "0",
        Some(Value::Array(list)) => list.is_empty(),
        Some(Value::Object(map)) => map.is_empty(),
    }
}

/// The value as an integer: a number without fraction, or a string that spells one.
pub(crate) fn integer(value: Option<&Value>) -> Option<i64> {
    match value? {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The value as text: a string, or a number or boolean as PHP prints it. `None` for other types.
pub(crate) fn text(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(if *flag { "1".to_owned() } else { String::new() }),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The elements of a PHP array, in JSON an array or an object. `None` for a scalar.
pub(crate) fn elements(value: &Value) -> Option<Vec<&Value>> {
    match value {
        Value::Array(list) => Some(list.iter().collect()),
        Value::Object(map) => Some(map.values().collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

/// A PHP array as JSON: a list if its keys are 0, 1, 2… in this order, also if it is empty.
pub(crate) fn array(entries: Vec<(String, Value)>) -> Value {
    let is_list = entries
        .iter()
        .enumerate()
        .all(|(at, (key, _))| *key == at.to_string());
    if is_list {
        Value::Array(entries.into_iter().map(|(_, value)| value).collect())
    } else {
        Value::Object(entries.into_iter().collect())
    }
}

/// Cuts a text after this many characters, as the messenger does.
pub(crate) fn cut(text: String, limit: Option<usize>) -> String {
    match limit.and_then(|limit| text.char_indices().nth(limit)) {
        Some((end, _)) => format!("{} (...)", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// Whether the value is `Y`, the only spelling that sets a Bitrix24 flag.
pub(crate) fn is_yes(value: Option<&Value>) -> bool {
    value.and_then(Value::as_str) == Some("Y")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn emptiness_is_that_of_php() {
        for value in [
            json!(null),
            json!(false),
            json!(0),
            json!(0.0),
            json!(""),
            json!("0"),
            json!([]),
            json!({}),
        ] {
            assert!(is_empty(Some(&value)), "{value}");
        }
        for value in [
            json!(true),
            json!(-1),
            json!("00"),
            json!(" "),
            json!([0]),
            json!({"a": null}),
        ] {
            assert!(!is_empty(Some(&value)), "{value}");
        }
        assert!(is_empty(None));
    }

    #[test]
    fn a_number_may_be_spelled_as_a_string() {
        assert_eq!(integer(Some(&json!(107))), Some(107));
        assert_eq!(integer(Some(&json!("107"))), Some(107));
        assert_eq!(integer(Some(&json!("abc"))), None);
        assert_eq!(integer(Some(&json!(1.5))), None);
        assert_eq!(integer(Some(&json!([1]))), None);
    }
}
