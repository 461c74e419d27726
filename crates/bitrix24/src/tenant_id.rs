//! The id of a tenant.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

/// Longest id, in characters: that of a DNS label, so that an id can be one.
const MAXIMUM_CHARACTERS: usize = 63;

/// The id of a tenant: 1–63 lower-case ASCII letters, digits, `-`, `_` and `.`, the first a letter
/// or digit.
///
/// Lower case only, because databases and people overlook case. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(Arc<str>);

/// The rule of tenant ids that a text breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidTenantId {
    /// No character at all.
    #[error("a tenant id must not be empty")]
    Empty,
    /// More than 63 characters.
    #[error("a tenant id has at most 63 characters")]
    TooLong,
    /// Another first character than a lower-case letter or a digit.
    #[error("a tenant id starts with a lower-case ASCII letter or a digit")]
    Start,
    /// A character that is not allowed anywhere.
    #[error("a tenant id consists of lower-case ASCII letters, digits, '-', '_' and '.'")]
    Character,
}

impl TenantId {
    /// Reads an id.
    ///
    /// # Errors
    ///
    /// Names the rule that the text breaks.
    pub fn parse(text: &str) -> Result<Self, InvalidTenantId> {
        let first = text.bytes().next().ok_or(InvalidTenantId::Empty)?;
        if text.chars().nth(MAXIMUM_CHARACTERS).is_some() {
            return Err(InvalidTenantId::TooLong);
        }
        if !text
            .bytes()
            .all(|byte| is_letter_or_digit(byte) || b"-_.".contains(&byte))
        {
            return Err(InvalidTenantId::Character);
        }
        if !is_letter_or_digit(first) {
            return Err(InvalidTenantId::Start);
        }
        Ok(Self(text.into()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for TenantId {
    type Err = InvalidTenantId;

    fn from_str(text: &str) -> Result<Self, InvalidTenantId> {
        Self::parse(text)
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_letter_or_digit(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use super::{InvalidTenantId as Invalid, TenantId};

    #[test]
    fn ids_of_the_allowed_characters_are_accepted() {
        let longest = "a".repeat(63);
        for id in ["a", "7", "acme", "acme.de-1_x", "0-", longest.as_str()] {
            assert_eq!(
                TenantId::parse(id).map(|id| id.to_string()),
                Ok(id.to_owned())
            );
        }
    }

    #[test]
    fn each_broken_rule_is_named() {
        let too_long = "a".repeat(64);
        for (text, expected) in [
            ("", Invalid::Empty),
            (too_long.as_str(), Invalid::TooLong),
            ("-acme", Invalid::Start),
            (".acme", Invalid::Start),
            ("_", Invalid::Start),
            ("Acme", Invalid::Character),
            ("ac me", Invalid::Character),
            ("acme\n", Invalid::Character),
            ("acmé", Invalid::Character),
            ("ac/me", Invalid::Character),
            ("*", Invalid::Character),
        ] {
            assert_eq!(TenantId::parse(text), Err(expected), "{text:?}");
        }
    }
}
