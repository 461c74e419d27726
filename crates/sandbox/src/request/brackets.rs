//! Decodes form bodies and query strings with PHP brackets into nested values.
//!
//! Follows PHP, as page "data encoding" does: names are percent-decoded before their brackets are
//! read, a later value replaces an earlier one, `[]` takes the next free number.

use indexmap::IndexMap;
use serde_json::{Map, Value};

use crate::php;

/// How deep PHP nests a name by default. It drops deeper names.
const DEEPEST: usize = 64;

/// Decodes `application/x-www-form-urlencoded` text into an object of strings, arrays and objects.
///
/// A PHP array with the keys 0, 1, 2… in this order becomes a JSON array, any other a JSON object.
/// Values without a name are dropped. Like PHP, it accepts every input.
pub fn decode(encoded: &str) -> Map<String, Value> {
    nest(pairs(encoded.as_bytes()))
}

/// The decoded names and values of a form or query, brackets included.
pub(crate) fn pairs(encoded: &[u8]) -> impl Iterator<Item = (String, String)> {
    form_urlencoded::parse(encoded).map(|(name, value)| (name.into_owned(), value.into_owned()))
}

/// Nests values by the brackets in their names.
pub(crate) fn nest(pairs: impl IntoIterator<Item = (String, String)>) -> Map<String, Value> {
    Node::read(pairs).into_entries().collect()
}

/// The entries of one parameter in the order in which they were sent. Its name may be in any case.
/// `None` if it was not sent; empty if it is not an array.
pub(crate) fn entries(
    pairs: impl IntoIterator<Item = (String, String)>,
    parameter: &str,
) -> Option<Vec<(String, Value)>> {
    let mut all = Node::read(pairs).entries.into_iter();
    match all.find(|(key, _)| key.eq_ignore_ascii_case(parameter))? {
        (_, Slot::Text(_)) => Some(Vec::new()),
        (_, Slot::Array(node)) => Some(node.into_entries().collect()),
    }
}

/// One step into a nested array.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// `[key]`, or the name itself.
    Key(String),
    /// `[]`: the next free number.
    Next,
}

/// Splits a decoded name into its steps. `None` if PHP drops it.
fn path(name: &str) -> Option<Vec<Step>> {
    let name = name.trim_start_matches(' ');
    let open = name
        .char_indices()
        .skip(1)
        .find(|(_, letter)| *letter == '[')
        .map(|(at, _)| at);
    let (head, mut rest) = open.map_or((name, ""), |at| name.split_at(at));
    if head.is_empty() {
        return None;
    }
    // Without a closing bracket there is no array: the bracket becomes part of the name.
    if !rest.is_empty() && !rest.contains(']') {
        return Some(vec![Step::Key(plain(name))]);
    }
    let mut steps = vec![Step::Key(plain(head))];
    // Anything but an opening bracket after a closing one ends the name.
    while let Some((key, after)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        steps.push(if key.is_empty() {
            Step::Next
        } else {
            Step::Key(key.to_owned())
        });
        rest = after;
    }
    (steps.len() <= DEEPEST).then_some(steps)
}

/// A name as a PHP variable: dots, spaces and stray brackets become underscores.
fn plain(name: &str) -> String {
    name.chars()
        .map(|letter| {
            if matches!(letter, '.' | ' ' | '[') {
                '_'
            } else {
                letter
            }
        })
        .collect()
}

/// A PHP array: keys in order of insertion, and the number that `[]` takes next.
#[derive(Debug, Default)]
struct Node {
    entries: IndexMap<String, Slot>,
    next: i64,
}

#[derive(Debug)]
enum Slot {
    Text(String),
    Array(Node),
}

impl Node {
    fn read(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut root = Self::default();
        for (name, value) in pairs {
            if let Some(path) = path(&name) {
                root.insert(&path, value);
            }
        }
        root
    }

    fn insert(&mut self, path: &[Step], value: String) {
        let Some((step, rest)) = path.split_first() else {
            return;
        };
        let key = match step {
            Step::Key(key) => key.clone(),
            Step::Next => self.next.to_string(),
        };
        if let Some(number) = whole_number(&key) {
            self.next = self.next.max(number.saturating_add(1));
        }
        let slot = self.entries.entry(key);
        let slot = slot.or_insert_with(|| Slot::Text(String::new()));
        if rest.is_empty() {
            *slot = Slot::Text(value);
            return;
        }
        if matches!(slot, Slot::Text(_)) {
            *slot = Slot::Array(Node::default());
        }
        if let Slot::Array(inner) = slot {
            inner.insert(rest, value);
        }
    }

    fn into_entries(self) -> impl Iterator<Item = (String, Value)> {
        let slots = self.entries.into_iter();
        slots.map(|(key, slot)| (key, slot.into_value()))
    }
}

impl Slot {
    fn into_value(self) -> Value {
        match self {
            Self::Text(text) => Value::String(text),
            Self::Array(node) => php::array(node.into_entries().collect()),
        }
    }
}

/// The number that PHP makes of a key: decimal, without leading zeros.
fn whole_number(key: &str) -> Option<i64> {
    key.parse::<i64>()
        .ok()
        .filter(|number| *number >= 0 && number.to_string() == key)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn decodes(encoded: &str, expected: Value) {
        assert_eq!(Value::Object(decode(encoded)), expected, "{encoded}");
    }

    #[test]
    fn brackets_nest() {
        decodes(
            "a[b][0][c]=1&a[b][1][c]=2",
            json!({"a": {"b": [{"c": "1"}, {"c": "2"}]}}),
        );
        decodes("a[]=x&a[]=y", json!({"a": ["x", "y"]}));
        decodes("a[][b]=x&a[][b]=y", json!({"a": [{"b": "x"}, {"b": "y"}]}));
    }

    #[test]
    fn percent_and_plus_are_decoded_in_names_and_values() {
        decodes("a%5Bb%5D=x+y%20z%26", json!({"a": {"b": "x y z&"}}));
        decodes("%D0%B0=%D1%8F", json!({"а": "я"}));
        decodes("a%255B=1", json!({"a%5B": "1"}));
    }

    #[test]
    fn keys_that_are_no_list_make_an_object() {
        decodes("a[1]=x&a[2]=y", json!({"a": {"1": "x", "2": "y"}}));
        decodes("a[1]=x&a[0]=y", json!({"a": {"1": "x", "0": "y"}}));
        decodes("a[00]=x", json!({"a": {"00": "x"}}));
        decodes("a[5]=x&a[]=y", json!({"a": {"5": "x", "6": "y"}}));
    }

    #[test]
    fn the_later_value_wins() {
        decodes("a=1&a=2", json!({"a": "2"}));
        decodes("a=1&a[b]=2", json!({"a": {"b": "2"}}));
        decodes("a[b]=1&a=2", json!({"a": "2"}));
    }

    #[test]
    fn odd_names_are_read_as_php_reads_them() {
        decodes("a.b c=1", json!({"a_b_c": "1"}));
        decodes("a[b=1", json!({"a_b": "1"}));
        decodes("a[b]c[d]=1", json!({"a": {"b": "1"}}));
        decodes("a[b.c d]=1", json!({"a": {"b.c d": "1"}}));
        decodes("=1&&a&b=", json!({"a": "", "b": ""}));
        decodes("[a]=1", json!({"_a]": "1"}));
        decodes("", json!({}));
    }

    /// Writes a value as PHP's `http_build_query` does, the opposite direction.
    fn build(name: &str, value: &Value, query: &mut form_urlencoded::Serializer<'_, String>) {
        match value {
            Value::Array(list) => {
                for (at, value) in list.iter().enumerate() {
                    build(&format!("{name}[{at}]"), value, query);
                }
            }
            Value::Object(map) => {
                for (key, value) in map {
                    build(&format!("{name}[{key}]"), value, query);
                }
            }
            Value::String(text) => {
                query.append_pair(name, text);
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn nested() -> impl Strategy<Value = Value> {
        any::<String>()
            .prop_map(Value::String)
            .prop_recursive(4, 32, 4, |inner| {
                prop_oneof![
                    prop::collection::vec(inner.clone(), 1..4).prop_map(Value::Array),
                    prop::collection::btree_map("[a-z .]{0,4}[a-z]", inner, 1..4)
                        .prop_map(|map| Value::Object(map.into_iter().collect())),
                ]
            })
    }

    proptest! {
        #[test]
        fn what_php_would_write_is_read_back(value in nested()) {
            let mut query = form_urlencoded::Serializer::new(String::new());
            build("A", &value, &mut query);
            prop_assert_eq!(Value::Object(decode(&query.finish())), json!({"A": value}));
        }

        #[test]
        fn nothing_makes_it_fail(encoded in any::<String>(), brackets in "[a\\[\\]=&%+]{0,40}") {
            let _ = (decode(&encoded), decode(&brackets));
        }
    }

    #[test]
    fn a_name_nested_too_deep_is_dropped() {
        decodes(&format!("a{}=1", "[x]".repeat(DEEPEST)), json!({}));
    }
}
