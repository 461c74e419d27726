//! `$result[key][field][0]`: a value from the result of an earlier command.
//!
//! A reference without a value stays as it is.

use serde_json::Value;

use crate::php;

const START: &str = "$result";

/// Resolves the references in a decoded parameter, nested values included.
pub(crate) fn fill_value(value: &mut Value, results: &[(String, Value)]) {
    match value {
        Value::String(text) => {
            if let Some((path, "")) = read(text)
                && let Some(found) = find(&path, results)
            {
                *value = found.clone();
            } else {
                *text = fill(text, results, str::to_owned);
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|inner| fill_value(inner, results)),
        Value::Object(map) => map
            .values_mut()
            .for_each(|inner| fill_value(inner, results)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Resolves the references in an encoded query.
pub(crate) fn fill_query(query: &str, results: &[(String, Value)]) -> String {
    fill(query, results, |text| {
        form_urlencoded::byte_serialize(text.as_bytes()).collect()
    })
}

fn fill(text: &str, results: &[(String, Value)], write: impl Fn(&str) -> String) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(START) {
        let (before, reference) = rest.split_at(at);
        filled.push_str(before);
        let found = read(reference).and_then(|(path, after)| {
            let value = php::text(find(&path, results))?;
            Some((value, after))
        });
        rest = if let Some((value, after)) = found {
            filled.push_str(&write(&value));
            after
        } else {
            filled.push_str(START);
            reference.strip_prefix(START).unwrap_or_default()
        };
    }
    filled.push_str(rest);
    filled
}

/// The path of the reference at the start of the text, and the rest of the text.
fn read(text: &str) -> Option<(Vec<&str>, &str)> {
    let mut rest = text.strip_prefix(START)?;
    let mut path = Vec::new();
    while let Some((key, after)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        path.push(key);
        rest = after;
    }
    (!path.is_empty()).then_some((path, rest))
}

fn find<'a>(path: &[&str], results: &'a [(String, Value)]) -> Option<&'a Value> {
    let (command, fields) = path.split_first()?;
    let (_, result) = results.iter().find(|(key, _)| key == command)?;
    fields.iter().try_fold(result, |value, field| match value {
        Value::Array(list) => list.get(field.parse::<usize>().ok()?),
        Value::Object(map) => map.get(*field),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn results() -> Vec<(String, Value)> {
        vec![
            ("a".to_owned(), json!(7)),
            (
                "b".to_owned(),
                json!({"list": [{"ID": "x&y"}], "map": {"k": true}}),
            ),
        ]
    }

    #[track_caller]
    fn fills(written: &str, expected: Value) {
        let mut value = json!(written);
        fill_value(&mut value, &results());
        assert_eq!(value, expected);
    }

    #[test]
    fn a_reference_takes_its_value_and_a_whole_one_its_type() {
        fills("$result[a]", json!(7));
        fills("id $result[a]!", json!("id 7!"));
        fills("$result[b][list][0][ID]$result[a]", json!("x&y7"));
        fills("$result[b][map]", json!({"k": true}));
    }

    #[test]
    fn a_reference_that_leads_nowhere_stays_as_it_is() {
        for text in [
            "$result",
            "$result[",
            "$result[c]",
            "$result[a][0]",
            "$result[b][list][1]",
            "about $result[b][map] and $",
        ] {
            fills(text, json!(text));
        }
    }

    #[test]
    fn in_a_query_the_value_is_encoded() {
        assert_eq!(
            fill_query("A=$result[b][list][0][ID]&B=%24result[a]", &results()),
            "A=x%26y&B=%24result[a]"
        );
    }
}
