//! The public part of an API key.

use std::borrow::Borrow;
use std::fmt;

use store::key_text::{KEY_ID_CHARACTERS, is_key_character};

/// The id inside an API key: 12 characters of `a`–`z` and `2`–`7`. No secret; stands in logs and
/// settings.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(Box<str>);

impl KeyId {
    /// Reads an id, if the text is one.
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
