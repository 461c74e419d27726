//! The entry of an API key in the settings.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use thiserror::Error;

use super::api_key::ApiKey;
use store::key_text::KeyId;

const HASH_BYTES: usize = 32;

/// The SHA-256 of a whole key. A slow hash is not needed, because a key has 256 random bits.
#[derive(Clone)]
pub(crate) struct KeyHash([u8; HASH_BYTES]);

impl KeyHash {
    pub(super) fn of(key: &str) -> Self {
        Self(Sha256::digest(key.as_bytes()).into())
    }

    /// Whether this is the hash of the key. Compares in constant time.
    pub(super) fn matches(&self, key: &ApiKey<'_>) -> bool {
        Self::of(key.expose()).0.ct_eq(&self.0).into()
    }

    fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != HASH_BYTES * 2 {
            return None;
        }
        let mut hash = [0_u8; HASH_BYTES];
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            let [high, low] = pair else { return None };
            *byte = hexadecimal(*high)? << 4 | hexadecimal(*low)?;
        }
        Some(Self(hash))
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash([redacted])")
    }
}

/// An entry of `auth.callers[].keys`: `<key id>:<SHA-256 of the whole key, 64 hexadecimal digits>`.
#[derive(Clone, Debug)]
pub struct KeyEntry {
    id: KeyId,
    hash: KeyHash,
}

/// Why a text is not a [`KeyEntry`]. Never quotes the text, which may be a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidKeyEntry {
    /// A key in clear text instead of its hash.
    #[error(
        "is an API key; give only its hash here, and generate a new key with `openlines keys new`, because \
         this one is exposed"
    )]
    ClearKey,
    #[error(
        "does not have the form <12 characters>:<64 hexadecimal digits>; paste the entry that \
         `openlines keys new` prints"
    )]
    Form,
}

impl KeyEntry {
    pub(super) fn new(id: KeyId, hash: KeyHash) -> Self {
        Self { id, hash }
    }

    /// The entry of a key in clear text; `None` if the text is not one.
    pub(crate) fn of(text: &str) -> Option<Self> {
        let key = ApiKey::parse(text)?;
        let id = KeyId::parse(key.id())?;
        Some(Self::new(id, KeyHash::of(text)))
    }

    pub fn parse(text: &str) -> Result<Self, InvalidKeyEntry> {
        if ApiKey::parse(text).is_some() {
            return Err(InvalidKeyEntry::ClearKey);
        }
        let (id, hash) = text.split_once(':').ok_or(InvalidKeyEntry::Form)?;
        match (KeyId::parse(id), KeyHash::parse(hash)) {
            (Some(id), Some(hash)) => Ok(Self { id, hash }),
            (None | Some(_), _) => Err(InvalidKeyEntry::Form),
        }
    }

    pub fn id(&self) -> &KeyId {
        &self.id
    }

    pub(super) fn hash(&self) -> &KeyHash {
        &self.hash
    }
}

/// Writes the entry as in the settings.
impl fmt::Display for KeyEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.id)?;
        self.hash
            .0
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

fn hexadecimal(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => digit.checked_sub(b'0'),
        b'a'..=b'f' => digit
            .checked_sub(b'a')
            .map(|value| value.saturating_add(10)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{InvalidKeyEntry, KeyEntry, KeyHash};
    use crate::auth::NewKey;

    #[test]
    fn an_entry_is_read_back_as_it_was_written() {
        let entry = NewKey::generate().unwrap().entry();
        let read = KeyEntry::parse(&entry.to_string()).unwrap();
        assert_eq!(read.to_string(), entry.to_string());
        assert_eq!(read.hash().0, entry.hash().0);
    }

    #[test]
    fn the_hash_is_the_sha256_of_the_text() {
        // Test vector "abc" of FIPS 180-4.
        let expected =
            KeyHash::parse("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(KeyHash::of("abc").0, expected.unwrap().0);
    }

    #[test]
    fn a_key_in_clear_text_is_called_by_its_name_and_not_quoted() {
        let key = NewKey::generate().unwrap();
        let refusal = KeyEntry::parse(key.expose()).unwrap_err();
        assert_eq!(refusal, InvalidKeyEntry::ClearKey);
        assert!(!refusal.to_string().contains(key.expose()));
    }

    #[test]
    fn other_texts_are_no_entries() {
        let (id, hash) = ("abcdefghij23", "0".repeat(64));
        for text in [
            String::new(),
            id.to_owned(),
            format!("{id}:"),
            format!("{id}:{}", "0".repeat(63)),
            format!("{id}:{}g", "0".repeat(63)),
            format!("{id}:{}", "A".repeat(64)),
            format!("{id}:{hash}:"),
            format!("abc:{hash}"),
        ] {
            assert_eq!(
                KeyEntry::parse(&text).unwrap_err(),
                InvalidKeyEntry::Form,
                "{text}"
            );
        }
    }
}
