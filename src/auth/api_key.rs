//! An API key in clear text: what callers send, and how a new one is made.

use std::fmt;

use rand::rngs::SysError;
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;

use super::key_entry::{KeyEntry, KeyHash};
use super::key_id::KeyId;
use store::key_text::{KEY_ID_CHARACTERS, is_key_character, random_characters};

/// Start of every key, so that secret scanners recognise one that was committed by mistake.
const PREFIX: &str = "b24f_";

/// Length of the secret part, in characters of five random bits each: 260 bits, the least number of
/// characters that holds the 256 bits a key must have.
const SECRET_CHARACTERS: usize = 52;

/// A well-formed key as it came from a caller; whether it is known is for
/// [`Callers`](super::Callers) to say.
#[derive(Clone, Copy)]
pub struct ApiKey<'a> {
    id: &'a str,
    whole: &'a str,
}

/// The text is no key of the form `b24f_<id>_<secret>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("an API key has the form b24f_<12 characters>_<52 characters>")]
pub struct MalformedKey;

impl<'a> ApiKey<'a> {
    /// Reads a key.
    ///
    /// # Errors
    ///
    /// [`MalformedKey`] if prefix, lengths or characters are not those of a key.
    pub fn parse(text: &'a str) -> Result<Self, MalformedKey> {
        let parts = text
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split_once('_'));
        match parts {
            Some((id, secret))
                if KeyId::is_valid(id)
                    && secret.len() == SECRET_CHARACTERS
                    && secret.bytes().all(is_key_character) =>
            {
                Ok(Self { id, whole: text })
            }
            Some(_) | None => Err(MalformedKey),
        }
    }

    /// The public part.
    pub fn id(&self) -> &'a str {
        self.id
    }

    /// The whole key, which is what gets hashed.
    pub(super) fn expose(&self) -> &'a str {
        self.whole
    }
}

impl fmt::Debug for ApiKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({PREFIX}{}_[redacted])", self.id)
    }
}

/// A key that was just made: the only moment at which it can be read.
#[derive(Debug)]
pub struct NewKey {
    id: KeyId,
    whole: SecretString,
}

impl NewKey {
    /// Makes a key from the operating system's random numbers.
    ///
    /// # Errors
    ///
    /// The operating system has no random numbers to give.
    pub fn generate() -> Result<Self, SysError> {
        let id = KeyId::from_random(random_characters::<KEY_ID_CHARACTERS>()?);
        let secret = random_characters::<SECRET_CHARACTERS>()?;
        let whole = SecretString::from(format!("{PREFIX}{id}_{secret}"));
        Ok(Self { id, whole })
    }

    /// The key in clear text, to be handed to the caller's owner and kept nowhere else.
    pub fn expose(&self) -> &str {
        self.whole.expose_secret()
    }

    /// What the settings keep of the key: its id and its hash.
    pub fn entry(&self) -> KeyEntry {
        KeyEntry::new(self.id.clone(), KeyHash::of(self.expose()))
    }
}

#[cfg(test)]
mod tests {
    use super::{ApiKey, MalformedKey, NewKey};

    #[test]
    fn a_new_key_is_a_well_formed_key_and_no_two_are_alike() {
        let first = NewKey::generate().unwrap();
        let second = NewKey::generate().unwrap();
        assert_ne!(first.expose(), second.expose());
        let parsed = ApiKey::parse(first.expose()).unwrap();
        assert_eq!(parsed.id(), first.entry().id().as_str());
        assert_eq!(first.expose().len(), 5 + 12 + 1 + 52);
    }

    #[test]
    fn other_texts_are_no_keys() {
        let id = "abcdefghij23";
        let secret = "a".repeat(52);
        assert!(ApiKey::parse(&format!("b24f_{id}_{secret}")).is_ok());
        for text in [
            String::new(),
            format!("b24x_{id}_{secret}"),
            format!("b24f_{id}{secret}"),
            format!("b24f_{id}_{secret}a"),
            format!("b24f_{id}_{secret}_"),
            format!("b24f_{id}a_{secret}"),
            format!("b24f_{id}_{}", "A".repeat(52)),
            format!("b24f_{id}_{}", "1".repeat(52)),
            format!(" b24f_{id}_{secret}"),
        ] {
            assert_eq!(ApiKey::parse(&text).unwrap_err(), MalformedKey, "{text}");
        }
    }

    #[test]
    fn debug_output_of_a_key_shows_its_id_only() {
        let key = NewKey::generate().unwrap();
        let (_, secret) = key.expose().rsplit_once('_').unwrap();
        let shown = format!("{:?} {key:?}", ApiKey::parse(key.expose()).unwrap());
        assert!(!shown.contains(secret), "{shown}");
        assert!(shown.contains(key.entry().id().as_str()), "{shown}");
    }
}
