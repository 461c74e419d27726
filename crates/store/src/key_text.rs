//! The form that API keys and sealing keys share: `<prefix>_<id>_<secret>`.
//!
//! Id and secret consist of RFC 4648's base32 characters in lower case: safe in URLs, shells and
//! YAML, and without the `_` that separates the parts. A prefix of its own for each kind of key
//! lets secret scanners recognise a committed key, and prevents mixing up the kinds.

use std::borrow::Borrow;
use std::fmt;

use rand::TryRng;
use rand::rngs::{SysError, SysRng};
use secrecy::SecretString;

/// Length of an id, in characters: 60 random bits make ids unique.
pub(crate) const ID_CHARACTERS: usize = 12;

/// Length of a secret, in characters of five random bits: the least number that holds 256 bits.
const SECRET_CHARACTERS: usize = 52;

/// The id inside a key: 12 characters of `a`–`z` and `2`–`7`. Not secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(Box<str>);

impl KeyId {
    /// Parses an id. Returns `None` if the text is not one.
    pub fn parse(text: &str) -> Option<Self> {
        is_part::<ID_CHARACTERS>(text).then(|| Self(text.into()))
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

/// Generates a key from the operating system's random numbers.
///
/// # Errors
///
/// The operating system has no random numbers.
pub fn generate(prefix: &str) -> Result<(KeyId, SecretString), SysError> {
    let id = KeyId(random::<ID_CHARACTERS>()?.into());
    let secret = random::<SECRET_CHARACTERS>()?;
    let key = SecretString::from(format!("{prefix}_{id}_{secret}"));
    Ok((id, key))
}

/// Returns the id of a well-formed key, and `None` if the text is not a key with this prefix.
pub fn id_of<'a>(prefix: &str, text: &'a str) -> Option<&'a str> {
    let parts = text.strip_prefix(prefix)?.strip_prefix('_')?;
    let (id, secret) = parts.split_once('_')?;
    (is_part::<ID_CHARACTERS>(id) && is_part::<SECRET_CHARACTERS>(secret)).then_some(id)
}

fn is_part<const LENGTH: usize>(text: &str) -> bool {
    let is_key_character = |byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7');
    text.len() == LENGTH && text.bytes().all(is_key_character)
}

/// Generates `LENGTH` characters with five random bits each.
fn random<const LENGTH: usize>() -> Result<String, SysError> {
    let mut random = [0_u8; LENGTH];
    SysRng.try_fill_bytes(&mut random)?;
    // 256 is a multiple of 32, so cutting to five bits favours no character.
    Ok(random
        .iter()
        .map(|byte| key_character(byte & 0b1_1111))
        .collect())
}

/// The character for a number below 32.
fn key_character(number: u8) -> char {
    const LETTERS: u8 = 26;
    char::from(match number.checked_sub(LETTERS) {
        None => b'a'.saturating_add(number),
        Some(digit) => b'2'.saturating_add(digit),
    })
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::{generate, id_of, is_part, key_character};

    #[test]
    fn the_alphabet_has_thirty_two_different_characters() {
        let alphabet: std::collections::BTreeSet<char> = (0..32).map(key_character).collect();
        assert_eq!(alphabet.len(), 32);
        for character in alphabet {
            assert!(is_part::<1>(&character.to_string()), "{character}");
        }
    }

    #[test]
    fn a_new_key_is_a_well_formed_key_and_no_two_are_alike() {
        let (id, key) = generate("b24x").unwrap();
        let text = key.expose_secret();
        assert_eq!(id_of("b24x", text), Some(id.as_str()));
        assert_eq!(text.len(), 5 + 12 + 1 + 52);
        let (_, other) = generate("b24x").unwrap();
        assert_ne!(text, other.expose_secret());
    }

    #[test]
    fn other_texts_are_no_keys() {
        let id = "abcdefghij23";
        let secret = "a".repeat(52);
        assert_eq!(id_of("b24x", &format!("b24x_{id}_{secret}")), Some(id));
        for text in [
            String::new(),
            format!("b24f_{id}_{secret}"),
            format!("b24x{id}_{secret}"),
            format!("b24x_{id}{secret}"),
            format!("b24x_{id}_{secret}a"),
            format!("b24x_{id}_{secret}_"),
            format!("b24x_{id}a_{secret}"),
            format!("b24x_{id}_{}", "A".repeat(52)),
            format!("b24x_{id}_{}", "1".repeat(52)),
            format!(" b24x_{id}_{secret}"),
        ] {
            assert_eq!(id_of("b24x", &text), None, "{text}");
        }
    }
}
