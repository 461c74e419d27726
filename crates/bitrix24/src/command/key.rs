//! The keys of commands in a batch and its response.

use std::io::Write as _;

/// The key of a command by its place in the batch. PHP writes maps with numeric keys as lists and
/// loses the keys, so it is not a number.
pub(crate) struct Key(pub(crate) usize);

impl Key {
    /// The most keys that are looked at, far more than a batch can have.
    const MOST: usize = 1_000;

    /// Writes it.
    pub(crate) fn add_to(&self, text: &mut Vec<u8>) {
        let number = self.0.saturating_add(1);
        // Writing to memory does not fail.
        let _ = write!(text, "m{number}");
    }

    /// The key of a command, if it is one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('m')?;
        let is_plain = !digits.starts_with(['0', '+']);
        let number: usize = digits.parse().ok().filter(|_| is_plain)?;
        let index = number.checked_sub(1)?;
        (index < Self::MOST).then_some(Self(index))
    }
}

#[cfg(test)]
mod tests {
    use super::Key;

    #[test]
    fn a_key_has_one_spelling() {
        for index in [0, 1, 49, 999] {
            let mut text = Vec::new();
            Key(index).add_to(&mut text);
            let text = String::from_utf8(text).unwrap();
            assert_eq!(Key::parse(&text).map(|key| key.0), Some(index), "{text}");
        }
        for other in ["", "m", "m0", "m01", "m+1", "m-1", "M1", "1", "m1001"] {
            assert!(Key::parse(other).is_none(), "{other}");
        }
    }
}
