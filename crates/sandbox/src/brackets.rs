//! Decodes form bodies and query strings with PHP brackets into nested values.
//!
//! Written after the behaviour of PHP, which is what the documentation of Bitrix24 refers to ("data
//! encoding"): names are percent-decoded before their brackets are read, a later value replaces an
//! earlier one, `[]` takes the next free number.

use serde_json::{Map, Value};

use super::php;

/// How deep PHP nests a name by default; a deeper name is dropped.
const DEEPEST: usize = 64;

/// Decodes `application/x-www-form-urlencoded` text into an object of strings, arrays and objects.
///
/// An array of PHP whose keys are 0, 1, 2… in this order becomes a JSON array, any other a JSON object.
/// Text without a name is dropped, and nothing is ever refused: PHP reads every input somehow.
pub fn decode(encoded: &str) -> Map<String, Value> {
    nest(pairs(encoded.as_bytes()))
}

/// The decoded names and values of a form or query, brackets not yet read.
pub(super) fn pairs(encoded: &[u8]) -> impl Iterator<Item = (String, String)> {
    form_urlencoded::parse(encoded).map(|(name, value)| (name.into_owned(), value.into_owned()))
}

/// Nests values by the brackets in their names.
pub(super) fn nest(pairs: impl Iterator<Item = (String, String)>) -> Map<String, Value> {
    let entries = Node::read(pairs).entries.into_iter();
    entries
        .map(|(key, slot)| (key, slot.into_value()))
        .collect()
}

/// The entries of one parameter, its name in any case, in the order in which they were sent. `None` if
/// it was not sent; none if it is no array.
pub(super) fn entries(
    pairs: impl Iterator<Item = (String, String)>,
    parameter: &str,
) -> Option<Vec<(String, Value)>> {
    let mut all = Node::read(pairs).entries.into_iter();
    match all.find(|(key, _)| key.eq_ignore_ascii_case(parameter))? {
        (_, Slot::Text(_)) => Some(Vec::new()),
        (_, Slot::Array(node)) => {
            let entries = node.entries.into_iter();
            Some(
                entries
                    .map(|(key, slot)| (key, slot.into_value()))
                    .collect(),
            )
        }
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

/// Splits a decoded name into its steps. `None` when PHP would drop it.
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
    // What follows a closing bracket and is no opening bracket ends the name.
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

/// A name as PHP makes it a variable: dots, spaces and stray brackets become underscores.
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

/// An array of PHP: keys in order of insertion, and the number that `[]` takes next.
#[derive(Debug, Default)]
struct Node {
    entries: Vec<(String, Slot)>,
    next: i64,
}

#[derive(Debug)]
enum Slot {
    Text(String),
    Array(Node),
}

impl Node {
    fn read(pairs: impl Iterator<Item = (String, String)>) -> Self {
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
        let slot = self.slot(key);
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

    /// The slot of the key, made if it is new. A new slot is text until it is written to.
    fn slot(&mut self, key: String) -> &mut Slot {
        let at = self.entries.iter().position(|(known, _)| *known == key);
        let at = at.unwrap_or_else(|| {
            self.entries.push((key, Slot::Text(String::new())));
            self.entries.len() - 1
        });
        #[expect(
            clippy::indexing_slicing,
            reason = "the position was found or made just above"
        )]
        &mut self.entries[at].1
    }

    fn into_value(self) -> Value {
        let values = self.entries.into_iter();
        php::array(values.map(|(key, slot)| (key, slot.into_value())).collect())
    }
}

impl Slot {
    fn into_value(self) -> Value {
        match self {
            Self::Text(text) => Value::String(text),
            Self::Array(node) => node.into_value(),
        }
    }
}

/// The number that PHP makes of a key: decimal, not negative here, without leading zeros.
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
