//! The characters of keys: API keys and sealing keys are texts of one form.

use rand::TryRng;
use rand::rngs::{SysError, SysRng};

/// Length of a key's id, in characters: 60 bits, enough that no two keys ever share one.
pub const KEY_ID_CHARACTERS: usize = 12;

/// The 32 characters of RFC 4648's base32 in lower case: safe in URLs, shells and YAML, and without
/// the `_` that separates the parts of a key.
pub fn is_key_character(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'2'..=b'7')
}

/// `LENGTH` characters with five random bits each.
///
/// # Errors
///
/// The operating system has no random numbers to give.
pub fn random_characters<const LENGTH: usize>() -> Result<String, SysError> {
    let mut random = [0_u8; LENGTH];
    SysRng.try_fill_bytes(&mut random)?;
    // 256 is a multiple of 32, so cutting to five bits favours no character.
    Ok(random
        .iter()
        .map(|byte| key_character(byte & 0b1_1111))
        .collect())
}

/// The character of RFC 4648's base32, in lower case, for a number below 32.
fn key_character(number: u8) -> char {
    const LETTERS: u8 = 26;
    char::from(match number.checked_sub(LETTERS) {
        None => b'a'.saturating_add(number),
        Some(digit) => b'2'.saturating_add(digit),
    })
}

#[cfg(test)]
mod tests {
    use super::{is_key_character, key_character};

    #[test]
    fn the_alphabet_has_thirty_two_different_characters() {
        let alphabet: std::collections::BTreeSet<char> = (0..32).map(key_character).collect();
        assert_eq!(alphabet.len(), 32);
        assert!(
            alphabet
                .iter()
                .all(|c| is_key_character(u8::try_from(*c).unwrap()))
        );
    }
}
