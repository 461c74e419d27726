//! Describes the fields of objects in ATTACH and KEYBOARD, and checks objects against them.

use serde_json::{Map, Value};

use crate::php;

/// One documented field.
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) required: bool,
    pub(crate) kind: Kind,
}

/// The type of a field.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// Text or a number.
    Text,
    /// An integer, or a string that spells one.
    Integer,
    /// An absolute http or https address, or a path from the portal's root.
    Url,
    /// `#RGB` or `#RRGGBB`.
    Colour,
    /// One of these words.
    OneOf(&'static [&'static str]),
}

/// The values of every `…COLOR_TOKEN`.
pub(crate) const COLOUR_TOKENS: Kind = Kind::OneOf(&["primary", "secondary", "alert", "base"]);

pub(crate) const fn required(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        required: true,
        kind,
    }
}

/// A field that may also be empty.
pub(crate) const fn optional(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        required: false,
        kind,
    }
}

/// Whether the object has every required field and every described field has the right type.
///
/// Other fields are accepted: the documentation adds fields over time.
pub(crate) fn fits(object: &Map<String, Value>, fields: &[Field]) -> bool {
    fields.iter().all(|field| {
        let value = object.get(field.name);
        if php::is_empty(value) {
            !field.required
        } else {
            holds(value, field.kind)
        }
    })
}

fn holds(value: Option<&Value>, kind: Kind) -> bool {
    match kind {
        Kind::Text => php::text(value).is_some(),
        Kind::Integer => php::integer(value).is_some(),
        Kind::Url => value.and_then(Value::as_str).is_some_and(is_url),
        Kind::Colour => value.and_then(Value::as_str).is_some_and(is_colour),
        Kind::OneOf(words) => value
            .and_then(Value::as_str)
            .is_some_and(|word| words.contains(&word)),
    }
}

fn is_url(text: &str) -> bool {
    let rest = ["http://", "https://"].iter().find_map(|scheme| {
        text.get(..scheme.len())
            .filter(|start| start.eq_ignore_ascii_case(scheme))
            .and_then(|_| text.get(scheme.len()..))
    });
    match rest {
        Some(rest) => rest.starts_with(|first: char| first.is_alphanumeric() || first == '['),
        // Two slashes would name another host.
        None => text.starts_with('/') && !text.starts_with("//"),
    }
}

fn is_colour(text: &str) -> bool {
    text.strip_prefix('#').is_some_and(|digits| {
        matches!(digits.len(), 3 | 6) && digits.chars().all(|digit| digit.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_absolute_http_or_a_path_of_the_portal() {
        for good in [
            "http://a",
            "HTTPS://example.com/x",
            "/path",
            "/",
            "https://[::1]/",
        ] {
            assert!(is_url(good), "{good}");
        }
        for bad in [
            "",
            "path",
            "//host/x",
            "ftp://a",
            "javascript:alert(1)",
            "https://",
            "http:/a",
        ] {
            assert!(!is_url(bad), "{bad}");
        }
    }

    #[test]
    fn a_colour_has_three_or_six_digits() {
        assert!(is_colour("#29619b") && is_colour("#FFF"));
        assert!(!is_colour("29619b") && !is_colour("#29619") && !is_colour("#ggg"));
    }
}
