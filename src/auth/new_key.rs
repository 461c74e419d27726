//! Generates API keys.

use rand::rngs::SysError;
use secrecy::{ExposeSecret, SecretString};
use store::key_text::{self, KeyId};

use super::api_key::PREFIX;
use super::key_entry::{KeyEntry, KeyHash};

/// A new key, which can be read only now.
#[derive(Debug)]
pub struct NewKey {
    id: KeyId,
    whole: SecretString,
}

impl NewKey {
    /// Generates a key from the operating system's random numbers.
    ///
    /// # Errors
    ///
    /// The operating system has no random numbers.
    pub fn generate() -> Result<Self, SysError> {
        let (id, whole) = key_text::generate(PREFIX)?;
        Ok(Self { id, whole })
    }

    /// The key in clear text, to be given to the caller's owner only.
    pub fn expose(&self) -> &str {
        self.whole.expose_secret()
    }

    /// The entry for the settings: the key's id and hash.
    pub fn entry(&self) -> KeyEntry {
        KeyEntry::new(self.id.clone(), KeyHash::of(self.expose()))
    }
}
