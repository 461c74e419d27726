//! JSON as a query in PHP's bracket style.
//!
//! `{"A": {"b": ["x y", true]}}` becomes `A%5Bb%5D%5B0%5D=x%20y&A%5Bb%5D%5B1%5D=1`.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

use super::reference;

/// The most variables of a query. PHP drops those after the 1,000th (`max_input_vars`).
const MAXIMUM_VARIABLES: usize = 500;

/// The deepest nesting. PHP drops a variable of 64 levels (`max_input_nesting_level`).
const MAXIMUM_DEPTH: usize = 32;

/// All but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// Writes a query, and fails at the first value that a query cannot express exactly.
pub(super) struct Query {
    text: String,
    /// The encoded name of the current variable.
    name: String,
    depth: usize,
    variables: usize,
    maximum_bytes: usize,
}

/// The text of every failure; [`Query::of`] drops it.
const INEXPRESSIBLE: &str = "a query cannot express this";

impl Query {
    /// `method?query` for a JSON object. `None` if the query would mean something else.
    pub(super) fn of(json: &[u8], method: &str, maximum_bytes: usize) -> Option<String> {
        let mut text = String::with_capacity(method.len() + 2 * json.len());
        text.push_str(method);
        text.push('?');
        let mut query = Self {
            text,
            name: String::new(),
            depth: 0,
            variables: 0,
            maximum_bytes,
        };
        let mut json = serde_json::Deserializer::from_slice(json);
        query.deserialize(&mut json).ok()?;
        json.end().ok()?;
        Some(query.text)
    }

    fn variable<E: Error>(&mut self, value: &str) -> Result<(), E> {
        if self.depth == 0 || self.variables == MAXIMUM_VARIABLES {
            return Err(E::custom(INEXPRESSIBLE));
        }
        if self.variables > 0 {
            self.text.push('&');
        }
        self.variables += 1;
        self.text.push_str(&self.name);
        self.text.push('=');
        self.text.extend(utf8_percent_encode(value, RESERVED));
        if self.text.len() > self.maximum_bytes {
            return Err(E::custom(INEXPRESSIBLE));
        }
        Ok(())
    }

    /// Writes a member of the current value.
    fn within<T, E: Error>(
        &mut self,
        key: &str,
        write: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        if !is_plain(key) || self.depth == MAXIMUM_DEPTH {
            return Err(E::custom(INEXPRESSIBLE));
        }
        let outer = self.name.len();
        if self.depth == 0 {
            self.name.push_str(key);
        } else {
            self.name.push_str("%5B");
            self.name.push_str(key);
            self.name.push_str("%5D");
        }
        self.depth += 1;
        let written = write(self);
        self.depth -= 1;
        self.name.truncate(outer);
        written
    }
}

/// Whether PHP keeps a name unchanged at every level: not empty, without brackets, dots, blanks or
/// control characters.
fn is_plain(key: &str) -> bool {
    !key.is_empty()
        && key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

impl<'de> DeserializeSeed<'de> for &mut Query {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &mut Query {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value that a query can express")
    }

    fn visit_bool<E: Error>(self, on: bool) -> Result<(), E> {
        self.variable(if on { "1" } else { "0" })
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        self.variable(&number.to_string())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        self.variable(&number.to_string())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        let number = Number::from_f64(number).ok_or_else(|| E::custom(INEXPRESSIBLE))?;
        self.variable(&number.to_string())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        if reference::is_possible(text) {
            return Err(E::custom(INEXPRESSIBLE));
        }
        self.variable(text)
    }

    /// PHP drops null.
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Err(E::custom(INEXPRESSIBLE))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let mut length = 0_usize;
        while self
            .within(&length.to_string(), |query| list.next_element_seed(query))?
            .is_some()
        {
            length += 1;
        }
        // PHP drops an empty list.
        if self.depth == 0 || length == 0 {
            return Err(A::Error::custom(INEXPRESSIBLE));
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut is_empty = true;
        // A name with escapes cannot be borrowed, and is not plain either.
        while let Some(key) = map.next_key::<&str>()? {
            is_empty = false;
            self.within(key, |query| map.next_value_seed(query))?;
        }
        // PHP drops an empty map. At the top it means a call without parameters.
        if is_empty && self.depth > 0 {
            return Err(A::Error::custom(INEXPRESSIBLE));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn query(parameters: &Value) -> Option<String> {
        let query = Query::of(parameters.to_string().as_bytes(), "m", 1000)?;
        query.strip_prefix("m?").map(str::to_owned)
    }

    #[test]
    fn values_are_written_as_php_writes_them() {
        for (parameters, expected) in [
            (json!({}), ""),
            (json!({"A": ""}), "A="),
            (json!({"A": "x y+&=%~-._/"}), "A=x%20y%2B%26%3D%25~-._%2F"),
            (json!({"A": "я\u{0}"}), "A=%D1%8F%00"),
            (json!({"A": true, "B": false}), "A=1&B=0"),
            (
                json!({"A": -7, "B": 1.5, "C": u64::MAX}),
                "A=-7&B=1.5&C=18446744073709551615",
            ),
            (
                json!({"A": {"b-c": [{"d": 1}, [2]]}}),
                "A%5Bb-c%5D%5B0%5D%5Bd%5D=1&A%5Bb-c%5D%5B1%5D%5B0%5D=2",
            ),
        ] {
            assert_eq!(
                query(&parameters).as_deref(),
                Some(expected),
                "{parameters}"
            );
        }
    }

    #[test]
    fn variables_keep_the_order_in_which_they_were_written() {
        let json = br#"{"Z":1,"A":{"z":2,"a":3},"1":4}"#;
        let query = Query::of(json, "m", 100).unwrap();
        assert_eq!(query, "m?Z=1&A%5Bz%5D=2&A%5Ba%5D=3&1=4");
    }

    #[test]
    fn values_that_a_query_cannot_express_are_refused() {
        for parameters in [
            json!({"A": null}),
            json!({"A": []}),
            json!({"A": {}}),
            json!({"A": [1, []]}),
            json!({"A": {"b": null}}),
            json!({"": 1}),
            json!({"A": {"": 1}}),
            json!({"A.b": 1}),
            json!({"A": {"b.c": 1}}),
            json!({" A": 1}),
            json!({"A[b]": 1}),
            json!({"A": {"b]": 1}}),
            json!({"A": {"\u{0}": 1}}),
            json!({"A": {"я": 1}}),
            json!({"$result": {"A": 1}}),
            json!({"A": "$result[m1]"}),
            json!([1]),
            json!(1),
            json!("A"),
        ] {
            assert_eq!(query(&parameters), None, "{parameters}");
        }
    }

    #[test]
    fn limits_hold() {
        let many = |count: usize| json!({"A": vec![1; count]});
        let json = |count| many(count).to_string().into_bytes();
        assert!(Query::of(&json(MAXIMUM_VARIABLES), "m", 100_000).is_some());
        assert!(Query::of(&json(MAXIMUM_VARIABLES + 1), "m", 100_000).is_none());

        let nested = |depth: usize| {
            let value = (0..depth).fold(json!(1), |value, _| json!({ "a": value }));
            Query::of(value.to_string().as_bytes(), "m", 100_000)
        };
        assert!(nested(MAXIMUM_DEPTH).is_some());
        assert!(nested(MAXIMUM_DEPTH + 1).is_none());

        let json = br#"{"A":"xxx"}"#;
        assert!(Query::of(json, "m", "m?A=xxx".len()).is_some());
        assert!(Query::of(json, "m", "m?A=xxx".len() - 1).is_none());
    }
}
