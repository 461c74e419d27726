//! Texts without the secrets in them.
//!
//! The secrets of the sandbox are public. They are cut all the same, because people copy what they
//! see into tickets, and a test may have put a real one in.

use secrecy::{ExposeSecret, SecretString};

/// Names of parameters and fields whose value is a secret.
const NAMES: [&str; 8] = [
    "access_token",
    "refresh_token",
    "application_token",
    "client_secret",
    "auth",
    "token",
    "password",
    "phpsessid",
];

/// No name is longer, with an encoded separator before it.
const LONGEST: usize = 24;

/// How many characters of a secret are shown, so that two can be told apart.
const SHOWN: usize = 4;

/// The text with these secrets, and all that stands beside the name of a secret, cut.
pub(super) fn cut(text: &str, secrets: &[SecretString]) -> String {
    let mut text = webhook(text);
    for secret in secrets {
        let secret = secret.expose_secret();
        if !secret.is_empty() {
            text = text.replace(secret, &short(secret));
        }
    }
    let mut done = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(value) = next_value(rest) {
        let (before, from) = rest.split_at(value.start);
        let (secret, after) = from.split_at(value.length);
        done.push_str(before);
        done.push_str(&short(secret));
        rest = after;
    }
    done + rest
}

/// The beginning of a secret.
fn short(secret: &str) -> String {
    if secret.ends_with('…') {
        return secret.to_owned();
    }
    let shown = if secret.chars().count() > 2 * SHOWN {
        SHOWN
    } else {
        0
    };
    secret.chars().take(shown).chain(['…']).collect()
}

/// Cuts the secret in the path `/rest/<user>/<secret>/<method>`.
fn webhook(target: &str) -> String {
    let path_end = target.find('?').unwrap_or(target.len());
    let (path, query) = target.split_at(path_end);
    let mut parts: Vec<&str> = path.split('/').collect();
    let Some(rest) = parts.iter().position(|part| *part == "rest") else {
        return target.to_owned();
    };
    let filled: Vec<usize> = (rest + 1..parts.len())
        .filter(|at| parts.get(*at).is_some_and(|part| !part.is_empty()))
        .collect();
    let cut = match filled.as_slice() {
        [_, secret, _, ..] => parts.get(*secret).map(|part| (*secret, short(part))),
        _ => None,
    };
    if let Some((at, short)) = &cut
        && let Some(part) = parts.get_mut(*at)
    {
        *part = short;
    }
    parts.join("/") + query
}

/// Where a secret is in a text.
struct Value {
    start: usize,
    length: usize,
}

impl Value {
    /// A value that is cut already is none.
    fn new(start: usize, value: &str) -> Self {
        let length = if value.ends_with('…') {
            0
        } else {
            value.len()
        };
        Self { start, length }
    }
}

/// The first value beside the name of a secret: `name=value` or `"name": "value"`.
fn next_value(text: &str) -> Option<Value> {
    text.char_indices()
        .filter_map(|(at, separator)| match separator {
            '=' => in_form(text.get(..at)?, text.get(at + 1..)?, at + 1),
            ':' => in_json(text.get(..at)?, text.get(at + 1..)?, at + 1),
            _ => None,
        })
        .find(|value| value.length > 0)
}

fn in_form(before: &str, after: &str, at: usize) -> Option<Value> {
    if !ends_with_name(before.strip_suffix(']').unwrap_or(before)) {
        return None;
    }
    let value = after
        .split(['&', '"', ' ', '\r', '\n', ';', '<', '\\'])
        .next()?;
    let value = value.split("%26").next()?;
    Some(Value::new(at, value))
}

fn in_json(before: &str, after: &str, at: usize) -> Option<Value> {
    if !ends_with_name(before.trim_end().strip_suffix('"')?) {
        return None;
    }
    let value = after.trim_start().strip_prefix('"')?;
    let start = at + after.len() - value.len();
    Some(Value::new(start, value.split(['"', '\\']).next()?))
}

fn ends_with_name(text: &str) -> bool {
    let is_of_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let letters = text.bytes().rev().take(LONGEST).take_while(is_of_name);
    let mut name: Vec<u8> = letters.map(|byte| byte.to_ascii_lowercase()).collect();
    name.reverse();
    // An encoded separator stands right before the name: %26auth=…, %3Fauth=….
    let mut forms = [
        Some(name.as_slice()),
        name.strip_prefix(b"26"),
        name.strip_prefix(b"3f"),
    ];
    forms
        .iter_mut()
        .flatten()
        .any(|form| NAMES.iter().any(|name| name.as_bytes() == *form))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_cut_wherever_they_are() {
        let secrets = [SecretString::from("sandboxwebhook01")];
        for (text, expected) in [
            ("/rest/1/sandboxwebhook01/profile", "/rest/1/sand…/profile"),
            (
                "/rest//1//other0webhook0secret/profile.json?a=1",
                "/rest//1//othe…/profile.json?a=1",
            ),
            ("/rest/profile?auth=0123456789", "/rest/profile?auth=0123…"),
            (
                "auth=0123456789&CODE=0123456789abc&A=1",
                "auth=0123…&CODE=0123456789abc&A=1",
            ),
            (
                "cmd=profile%3Fauth=0123456789%26A=1",
                "cmd=profile%3Fauth=0123…%26A=1",
            ),
            ("auth[access_token]=0123456789", "auth[access_token]=0123…"),
            (
                r#"{"access_token": "0123456789","refresh_token":"9876543210","n":"x"}"#,
                r#"{"access_token": "0123…","refresh_token":"9876…","n":"x"}"#,
            ),
            (
                r#"notice{"error":"sent with sandboxwebhook01"}"#,
                r#"notice{"error":"sent with sand…"}"#,
            ),
            ("token=short", "token=…"),
            ("nothing here: \"a\"=1 :", "nothing here: \"a\"=1 :"),
            ("auth=", "auth="),
            ("", ""),
        ] {
            assert_eq!(cut(text, &secrets), expected);
            assert_eq!(cut(expected, &secrets), expected, "cut twice");
        }
    }

    #[test]
    fn a_text_of_many_separators_is_read_once() {
        let text = "auth=0123456789&".repeat(1_000);
        assert_eq!(cut(&text, &[]), "auth=0123…&".repeat(1_000));
    }

    proptest::proptest! {
        #[test]
        fn no_text_stops_it(text in "(auth|=|:|\"|%26|[a-z…€]|/rest/){0,40}") {
            cut(&text, &[SecretString::from("€")]);
        }
    }
}
