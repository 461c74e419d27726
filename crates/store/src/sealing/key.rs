//! A sealing key.

use std::fmt;

use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use rand::rngs::SysError;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::key_text::{self, KeyId};

const PREFIX: &str = "b24s";

/// A key that seals the secrets in the store, as text `b24s_<id>_<secret>`. Its `Debug` form shows
/// the id only.
///
/// The 256 bits that seal are the SHA-256 of the whole text, so editing the id makes another key.
#[derive(Clone)]
pub struct Key {
    id: KeyId,
    whole: SecretString,
}

/// The text is not a key of the form `b24s_<id>_<secret>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a sealing key has the form b24s_<12 characters>_<52 characters>")]
pub struct MalformedKey;

impl Key {
    /// Generates a key from the operating system's random numbers.
    ///
    /// # Errors
    ///
    /// The operating system has no random numbers.
    pub fn generate() -> Result<Self, SysError> {
        let (id, whole) = key_text::generate(PREFIX)?;
        Ok(Self { id, whole })
    }

    /// Parses a key.
    ///
    /// # Errors
    ///
    /// [`MalformedKey`] if prefix, lengths or characters are not those of a key.
    pub fn parse(text: &str) -> Result<Self, MalformedKey> {
        let id = key_text::id_of(PREFIX, text).and_then(KeyId::parse);
        Ok(Self {
            id: id.ok_or(MalformedKey)?,
            whole: text.into(),
        })
    }

    /// The public part.
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    /// The key in clear text, for the operator's key file only.
    pub fn expose(&self) -> SecretString {
        self.whole.clone()
    }

    pub(super) fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&Sha256::digest(self.whole.expose_secret()))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({PREFIX}_{}_[redacted])", self.id)
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::{Key, MalformedKey};

    #[test]
    fn a_generated_key_is_read_back_and_an_api_key_is_not_one() {
        let key = Key::generate().unwrap();
        let text = key.expose();
        assert_eq!(Key::parse(text.expose_secret()).unwrap().id(), key.id());
        let api_key = text.expose_secret().replacen("b24s", "b24f", 1);
        assert_eq!(Key::parse(&api_key).unwrap_err(), MalformedKey);
    }

    #[test]
    fn debug_output_of_a_key_shows_its_id_only() {
        let key = Key::generate().unwrap();
        let text = key.expose();
        let (_, secret) = text.expose_secret().rsplit_once('_').unwrap();
        let shown = format!("{key:?} {text:?}");
        assert!(!shown.contains(secret), "{shown}");
        assert!(shown.contains(key.id().as_str()), "{shown}");
    }
}
