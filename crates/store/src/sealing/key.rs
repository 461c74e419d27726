//! One sealing key.

use std::fmt;

use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use rand::rngs::SysError;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::key_text::{KEY_ID_CHARACTERS, is_key_character, random_characters};

/// Start of every key, so that secret scanners recognise one that was committed by mistake, and nobody takes an API key
/// for it.
const PREFIX: &str = "b24s_";

/// Length of the secret part, in characters of five random bits each: the least number that holds 256 bits.
const SECRET_CHARACTERS: usize = 52;

/// A key that seals the secrets in the store, as text `b24s_<id>_<secret>`. Its `Debug` form shows the id only.
///
/// The 256 bits that seal are the SHA-256 of the whole text, so that a key whose id was edited is another key.
#[derive(Clone)]
pub struct Key {
    id: KeyId,
    whole: SecretString,
}

/// The id inside a sealing key: 12 characters of `a`–`z` and `2`–`7`. No secret; stands before every sealed value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(Box<str>);

/// The text is no key of the form `b24s_<id>_<secret>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a sealing key has the form b24s_<12 characters>_<52 characters>")]
pub struct MalformedKey;

impl Key {
    /// Makes a key from the operating system's random numbers.
    ///
    /// # Errors
    ///
    /// The operating system has no random numbers to give.
    pub fn generate() -> Result<Self, SysError> {
        let id = KeyId(random_characters::<KEY_ID_CHARACTERS>()?.into());
        let secret = random_characters::<SECRET_CHARACTERS>()?;
        let whole = SecretString::from(format!("{PREFIX}{id}_{secret}"));
        Ok(Self { id, whole })
    }

    /// Reads a key.
    ///
    /// # Errors
    ///
    /// [`MalformedKey`] if prefix, lengths or characters are not those of a key.
    pub fn parse(text: &str) -> Result<Self, MalformedKey> {
        let (id, secret) = text
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split_once('_'))
            .ok_or(MalformedKey)?;
        let id = KeyId::parse(id).ok_or(MalformedKey)?;
        let sound = secret.len() == SECRET_CHARACTERS && secret.bytes().all(is_key_character);
        sound
            .then(|| Self {
                id,
                whole: SecretString::from(text),
            })
            .ok_or(MalformedKey)
    }

    /// The public part.
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    /// The key in clear text, for the operator's key file and nothing else.
    pub fn expose(&self) -> SecretString {
        self.whole.clone()
    }

    /// What seals and opens with this key.
    pub(super) fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&Sha256::digest(self.whole.expose_secret()))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({PREFIX}{}_[redacted])", self.id)
    }
}

impl KeyId {
    /// Length of an id, in bytes.
    pub(super) const LENGTH: usize = KEY_ID_CHARACTERS;

    /// Reads an id, if the text is one.
    pub fn parse(text: &str) -> Option<Self> {
        let sound = text.len() == KEY_ID_CHARACTERS && text.bytes().all(is_key_character);
        sound.then(|| Self(text.into()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::{Key, MalformedKey};

    #[test]
    fn a_new_key_is_a_well_formed_key_and_no_two_are_alike() {
        let key = Key::generate().unwrap();
        let text = key.expose();
        assert_eq!(Key::parse(text.expose_secret()).unwrap().id(), key.id());
        assert_eq!(text.expose_secret().len(), 5 + 12 + 1 + 52);
        let other = Key::generate().unwrap().expose();
        assert_ne!(text.expose_secret(), other.expose_secret());
    }

    #[test]
    fn other_texts_are_no_keys() {
        let id = "abcdefghij23";
        let secret = "a".repeat(52);
        assert!(Key::parse(&format!("b24s_{id}_{secret}")).is_ok());
        for text in [
            String::new(),
            format!("b24f_{id}_{secret}"),
            format!("b24s_{id}{secret}"),
            format!("b24s_{id}_{secret}a"),
            format!("b24s_{id}a_{secret}"),
            format!("b24s_{id}_{}", "A".repeat(52)),
            format!(" b24s_{id}_{secret}"),
        ] {
            assert_eq!(Key::parse(&text).unwrap_err(), MalformedKey, "{text}");
        }
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
