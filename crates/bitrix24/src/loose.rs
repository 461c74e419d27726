//! Reading JSON as loosely as PHP writes it: numbers as strings, empty maps as `[]`, lists as maps
//! with numeric keys.

use serde_json::{Map, Value};

/// A whole number, or a string of one.
pub fn integer(value: &Value) -> Option<i64> {
    let parsed = || value.as_str()?.trim().parse().ok();
    value.as_i64().or_else(parsed)
}

/// A finite number, or a string of one.
pub fn number(value: &Value) -> Option<f64> {
    let parsed = || value.as_str()?.trim().parse().ok();
    let number = value.as_f64().or_else(parsed);
    number.filter(|number| number.is_finite())
}

/// A string or a number, as text.
pub fn text(value: &Value) -> Option<String> {
    let number = || Some(value.as_number()?.to_string());
    value.as_str().map(str::to_owned).or_else(number)
}

/// A boolean, written as one, as `Y` or `N`, `"true"` or `"false"`, 1 or 0.
pub fn switch(value: &Value) -> Option<bool> {
    if let Some(on) = value.as_bool() {
        return Some(on);
    }
    match text(value)?.as_str() {
        "Y" | "y" | "true" | "1" => Some(true),
        "N" | "n" | "false" | "0" => Some(false),
        _ => None,
    }
}

/// The entries of a map. PHP writes an empty map as `[]`.
pub fn map(value: &Value) -> Option<&Map<String, Value>> {
    static EMPTY: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    let empty = || value.as_array()?.is_empty().then_some(&*EMPTY);
    value.as_object().or_else(empty)
}

/// An item of a list. PHP writes a list with gaps as a map with numeric keys.
pub fn item(value: &Value, index: usize) -> Option<&Value> {
    value.get(index).or_else(|| value.get(index.to_string()))
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
