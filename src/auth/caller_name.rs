//! The name under which a caller stands in settings, logs and audit records.

use std::fmt;

use thiserror::Error;

/// Longest name, in characters: what a log line bears.
const MAXIMUM_CHARACTERS: usize = 63;

/// Name of every caller while authentication is switched off, and therefore of no real one.
pub(super) const ANONYMOUS: &str = "anonymous";

/// A caller's name: 1–63 ASCII letters, digits, `-`, `_` and `.`; not `anonymous`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallerName(Box<str>);

/// The rule of caller names that a text breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidCallerName {
    /// No character, or more than 63.
    #[error("a caller's name has 1 to 63 characters")]
    Length,
    /// A character that is not allowed.
    #[error("a caller's name consists of ASCII letters, digits, '-', '_' and '.'")]
    Character,
    /// The name of those who proved nothing.
    #[error("the name \"anonymous\" stands for calls without authentication")]
    Reserved,
}

impl CallerName {
    /// Reads a name.
    ///
    /// # Errors
    ///
    /// Names the rule that the text breaks.
    pub fn parse(text: &str) -> Result<Self, InvalidCallerName> {
        if !text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        {
            return Err(InvalidCallerName::Character);
        }
        if text.is_empty() || text.len() > MAXIMUM_CHARACTERS {
            return Err(InvalidCallerName::Length);
        }
        if text == ANONYMOUS {
            return Err(InvalidCallerName::Reserved);
        }
        Ok(Self(text.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for CallerName {
    type Err = InvalidCallerName;

    fn from_str(text: &str) -> Result<Self, InvalidCallerName> {
        Self::parse(text)
    }
}

impl fmt::Display for CallerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{CallerName, InvalidCallerName as Invalid};

    #[test]
    fn each_broken_rule_is_named() {
        assert!(CallerName::parse("Shop.eu-1_x").is_ok());
        for (text, expected) in [
            ("", Invalid::Length),
            (&*"a".repeat(64), Invalid::Length),
            ("my shop", Invalid::Character),
            ("a\"b", Invalid::Character),
            ("anonymous", Invalid::Reserved),
        ] {
            assert_eq!(CallerName::parse(text), Err(expected), "{text}");
        }
    }
}
