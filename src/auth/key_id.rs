//! The public part of an API key.

use std::borrow::Borrow;
use std::fmt;

/// Length of a key's id, in characters: 60 bits, enough that no two keys ever share one.
pub(crate) const KEY_ID_CHARACTERS: usize = 12;

/// The id inside an API key: 12 characters of `a`–`z` and `2`–`7`. No secret; stands in logs and
/// settings.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(Box<str>);

impl KeyId {
    /// Reads an id, if the text is one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::is_valid(text).then(|| Self(text.into()))
    }

    /// Takes over what the maker of new keys drew; its characters are those of an id by
    /// construction.
    pub(super) fn from_random(text: String) -> Self {
        Self(text.into())
    }

    pub(super) fn is_valid(text: &str) -> bool {
        text.len() == KEY_ID_CHARACTERS && text.bytes().all(is_key_character)
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for KeyId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The 32 characters of RFC 4648's base32 in lower case: safe in URLs, shells and YAML, and without
/// the `_` that separates the parts of a key.
pub(crate) fn is_key_character(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'2'..=b'7')
}
