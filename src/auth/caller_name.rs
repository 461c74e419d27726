//! The name of a caller in settings, logs and audit records.

use std::fmt;

use thiserror::Error;

/// Longest name, in characters, to keep log lines short.
const MAXIMUM_CHARACTERS: usize = 63;

/// The name of every caller while authentication is off. Not allowed for real callers.
pub(super) const ANONYMOUS: &str = "anonymous";

/// A caller's name: 1–63 ASCII letters, digits, `-`, `_` and `.`; not `anonymous`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct CallerName(Box<str>);

/// The rule of caller names that a text violates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum InvalidCallerName {
    #[error("a caller's name has 1 to 63 characters")]
    Length,
    #[error("a caller's name consists of ASCII letters, digits, '-', '_' and '.'")]
    Character,
    #[error("the name \"anonymous\" stands for calls without authentication")]
    Reserved,
}

impl CallerName {
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidCallerName> {
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

    pub(crate) fn as_str(&self) -> &str {
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
    fn each_violated_rule_is_named() {
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
