//! The rules that fields are checked against.
//!
//! The same rules stand in the .proto as buf.validate options, for clients that want to check before they send. A test lets a real
//! protovalidate and the server judge the same requests.

use std::sync::LazyLock;

use regex::Regex;

use super::path::Path;
use crate::error::Violations;

/// The rules whose breach Bitrix24 documents nothing about, so that the operator decides. Limits are inclusive.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Whether first and last names are held to the documented letters and length.
    pub strict_names: bool,
    /// The largest number of messages in one call.
    pub maximum_messages: usize,
    /// The longest text, in characters.
    pub maximum_text_characters: usize,
    /// The largest attachment, in bytes of the JSON that is sent.
    pub maximum_attachment_bytes: usize,
    /// The largest keyboard, in bytes of the JSON that is sent.
    pub maximum_keyboard_bytes: usize,
}

/// The longest first or last name, in characters. Source: method page `imconnector.send.messages`.
const NAME_CHARACTERS: usize = 25;
/// The longest address, in characters. Ours: what browsers and proxies carry.
const URL_CHARACTERS: usize = 2048;

static NAME: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^[\p{L}\p{M} '’-]*$").ok());
static COLOR: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^#([0-9A-Fa-f]{3}|[0-9A-Fa-f]{6})$").ok());

/// A walk over a request that collects what is wrong with it.
pub(super) struct Check<'a> {
    pub(super) rules: &'a Rules,
    pub(super) violations: &'a mut Violations,
}

impl Check<'_> {
    pub(super) fn wrong(
        &mut self,
        path: Path<'_>,
        rule: &'static str,
        description: impl Into<String>,
    ) {
        self.violations.add(path.to_string(), rule, description);
    }

    fn is_given(&mut self, path: Path<'_>, value: &str) -> bool {
        if value.is_empty() {
            self.wrong(path, "REQUIRED", "is required; it is empty");
        }
        !value.is_empty()
    }

    /// A message field that must be set.
    pub(super) fn required<'m, M>(
        &mut self,
        path: Path<'_>,
        message: Option<&'m M>,
    ) -> Option<&'m M> {
        if message.is_none() {
            self.wrong(path, "REQUIRED", "is required; it is missing");
        }
        message
    }

    /// A text that must not be empty, of at most `limit` characters.
    pub(super) fn required_text(&mut self, path: Path<'_>, value: &str, limit: usize) {
        if self.is_given(path, value) {
            self.text(path, value, limit);
        }
    }

    /// A text that must not be empty, of any length: the whole it belongs to has a limit.
    pub(super) fn nonempty(&mut self, path: Path<'_>, value: &str) {
        self.is_given(path, value);
    }

    /// A text of at most `limit` characters.
    pub(super) fn text(&mut self, path: Path<'_>, value: &str, limit: usize) {
        // A text cannot have more characters than bytes.
        if value.len() > limit {
            let found = value.chars().count();
            if found > limit {
                self.wrong(
                    path,
                    "TOO_LONG",
                    format!("has {found} characters; at most {limit}: shorten it"),
                );
            }
        }
    }

    /// A first or last name.
    pub(super) fn name(&mut self, path: Path<'_>, value: &str) {
        if !self.rules.strict_names {
            return;
        }
        self.text(path, value, NAME_CHARACTERS);
        if !NAME.as_ref().is_some_and(|allowed| allowed.is_match(value)) {
            self.wrong(
                path,
                "CHARACTERS",
                "has other characters than letters, spaces, hyphens and apostrophes; remove them",
            );
        }
    }

    /// An identifier of Bitrix24 that must be above 0.
    pub(super) fn required_id(&mut self, path: Path<'_>, value: i64) {
        if value <= 0 {
            self.wrong(path, "NOT_POSITIVE", "is required, above 0");
        }
    }

    /// An identifier or a size that is left out when 0.
    pub(super) fn not_negative(&mut self, path: Path<'_>, value: impl Into<i64>) {
        if value.into() < 0 {
            self.wrong(path, "NEGATIVE", "is below 0; give 0 or more");
        }
    }

    /// A list of at least one item.
    pub(super) fn some<T>(&mut self, path: Path<'_>, items: &[T]) {
        if items.is_empty() {
            self.wrong(path, "REQUIRED", "is required; it has no items");
        }
    }

    /// A list of at most `limit` items.
    pub(super) fn at_most<T>(&mut self, path: Path<'_>, items: &[T], limit: usize) {
        let found = items.len();
        if found > limit {
            self.wrong(
                path,
                "TOO_MANY",
                format!("has {found} items; at most {limit}: split the call"),
            );
        }
    }

    /// An enum value that the API knows, where leaving it out is allowed.
    pub(super) fn known<E: TryFrom<i32>>(&mut self, path: Path<'_>, value: i32) {
        if E::try_from(value).is_err() {
            self.wrong(
                path,
                "UNKNOWN_VALUE",
                format!("{value} is no value of its enum"),
            );
        }
    }

    /// An enum value that the API knows and that is given.
    pub(super) fn required_value<E: TryFrom<i32>>(&mut self, path: Path<'_>, value: i32) {
        if value == 0 {
            self.wrong(path, "REQUIRED", "is required; choose a value of its enum");
        } else {
            self.known::<E>(path, value);
        }
    }

    /// An address, absolute http or https, that may be left out.
    pub(super) fn url(&mut self, path: Path<'_>, value: &str) {
        if !value.is_empty() {
            self.address(
                path,
                value,
                is_absolute_url(value),
                "no absolute http or https address; give one without spaces",
            );
        }
    }

    /// An address, absolute http or https, that must be given.
    pub(super) fn required_url(&mut self, path: Path<'_>, value: &str) {
        if self.is_given(path, value) {
            self.url(path, value);
        }
    }

    /// An address, absolute or a path on the portal, that may be left out.
    pub(super) fn link(&mut self, path: Path<'_>, value: &str) {
        if !value.is_empty() {
            let good = is_absolute_url(value) || is_portal_path(value);
            self.address(
                path,
                value,
                good,
                "neither an absolute http or https address nor a path that begins with one slash",
            );
        }
    }

    /// An address, absolute or a path on the portal, that must be given.
    pub(super) fn required_link(&mut self, path: Path<'_>, value: &str) {
        if self.is_given(path, value) {
            self.link(path, value);
        }
    }

    fn address(&mut self, path: Path<'_>, value: &str, good: bool, fault: &str) {
        self.text(path, value, URL_CHARACTERS);
        if !good {
            self.wrong(path, "ADDRESS", format!("is {fault}"));
        }
    }

    /// A colour, `#RGB` or `#RRGGBB`, that may be left out.
    pub(super) fn color(&mut self, path: Path<'_>, value: &str) {
        let good = value.is_empty() || COLOR.as_ref().is_some_and(|form| form.is_match(value));
        if !good {
            self.wrong(path, "COLOR", "is no colour; give #RGB or #RRGGBB");
        }
    }
}

fn is_absolute_url(value: &str) -> bool {
    let rest = ["http://", "https://"].into_iter().find_map(|scheme| {
        let (start, rest) = value.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    });
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/') && is_visible(rest))
}

fn is_portal_path(value: &str) -> bool {
    value
        .strip_prefix('/')
        .is_some_and(|rest| !rest.starts_with('/') && is_visible(rest))
}

fn is_visible(text: &str) -> bool {
    text.chars()
        .all(|character| character > ' ' && character != '\u{7f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_absolute_or_a_path_on_the_portal() {
        for good in ["http://a", "HTTPS://a.b/c?d#e", "https://пример.рф/"] {
            assert!(is_absolute_url(good), "{good}");
        }
        for bad in [
            "",
            "a.b",
            "ftp://a",
            "http://",
            "http:///a",
            "http://a b",
            "https://a\n",
        ] {
            assert!(!is_absolute_url(bad), "{bad}");
        }
        assert!(is_portal_path("/") && is_portal_path("/crm/lead/1/"));
        assert!(!is_portal_path("//evil.example/") && !is_portal_path("crm/"));
    }

    #[test]
    fn the_patterns_are_valid() {
        assert!(NAME.is_some() && COLOR.is_some());
    }
}
