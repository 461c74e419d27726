//! Reading JSON as loosely as PHP writes it: numbers as strings, empty maps as `[]`, lists as maps
//! with numeric keys.

use serde_json::{Map, Value};

/// A whole number, or a string of one.
pub fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A finite number, or a string of one.
pub fn number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    number.filter(|number| number.is_finite())
}

/// A string or a number, as text.
pub fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A boolean, written as one, as `Y` or `N`, `"true"` or `"false"`, 1 or 0.
pub fn switch(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(on) => Some(*on),
        Value::Number(number) => match number.as_i64() {
            Some(1) => Some(true),
            Some(0) => Some(false),
            Some(_) | None => None,
        },
        Value::String(text) => match text.as_str() {
            "Y" | "y" | "true" | "1" => Some(true),
            "N" | "n" | "false" | "0" => Some(false),
            _ => None,
        },
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The entries of a map. PHP writes an empty map as `[]`.
pub fn map(value: &Value) -> Option<&Map<String, Value>> {
    static EMPTY: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    match value {
        Value::Object(map) => Some(map),
        Value::Array(items) if items.is_empty() => Some(&EMPTY),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            None
        }
    }
}

/// An item of a list. PHP writes a list with gaps as a map with numeric keys.
pub fn item(value: &Value, index: usize) -> Option<&Value> {
    match value {
        Value::Array(items) => items.get(index),
        Value::Object(map) => map.get(&index.to_string()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_read_from_numbers_and_from_texts() {
        assert_eq!(integer(&json!(7)), Some(7));
        assert_eq!(integer(&json!("7")), Some(7));
        assert_eq!(integer(&json!(7.5)), None);
        assert_eq!(integer(&json!("7a")), None);
        assert_eq!(number(&json!("1.5")), Some(1.5));
        assert_eq!(number(&json!("NaN")), None);
    }

    #[test]
    fn an_empty_list_stands_for_an_empty_map() {
        assert!(map(&json!([])).is_some_and(Map::is_empty));
        assert!(map(&json!([1])).is_none());
        assert_eq!(map(&json!({"a": 1})).map(Map::len), Some(1));
    }

    #[test]
    fn a_list_may_be_a_map_with_numeric_keys() {
        assert_eq!(item(&json!(["a", "b"]), 1), Some(&json!("b")));
        assert_eq!(item(&json!({"1": "b"}), 1), Some(&json!("b")));
        assert_eq!(item(&json!({"1": "b"}), 0), None);
    }

    #[test]
    fn switches_have_many_spellings() {
        for on in [json!(true), json!("Y"), json!("true"), json!(1), json!("1")] {
            assert_eq!(switch(&on), Some(true), "{on}");
        }
        for off in [json!(false), json!("N"), json!(0), json!("0")] {
            assert_eq!(switch(&off), Some(false), "{off}");
        }
        assert_eq!(switch(&json!(null)), None);
    }
}
