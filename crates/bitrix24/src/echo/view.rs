//! A text after some layers of escapes were taken off.

use std::borrow::Cow;
use std::ops::Range;

/// The bytes of an unescaped text, and where each comes from.
pub(super) struct View<'a> {
    bytes: Cow<'a, [u8]>,
    /// Where each byte starts in the original text, and the original's length.
    origins: Origins,
}

enum Origins {
    Same,
    At(Vec<usize>),
}

/// Characters of hexadecimal and of both alphabets of base64.
fn is_of_encoding(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=')
}

/// Whether so many characters in a row are of hexadecimal or base64. Looks at few of the others: a
/// character that is not ends all runs over its place.
pub(super) fn has_run(text: &[u8], length: usize) -> bool {
    let mut start = 0;
    while let Some(window) = text.get(start..start + length) {
        match window.iter().rposition(|byte| !is_of_encoding(*byte)) {
            Some(other) => start += other + 1,
            None => return true,
        }
    }
    false
}

impl<'a> View<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Self {
            bytes: Cow::Borrowed(text.as_bytes()),
            origins: Origins::Same,
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where these bytes come from.
    pub(super) fn original(&self, range: Range<usize>) -> Range<usize> {
        self.origin(range.start)..self.origin(range.end)
    }

    fn origin(&self, at: usize) -> usize {
        match &self.origins {
            Origins::Same => at,
            Origins::At(origins) => origins.get(at).copied().unwrap_or(at),
        }
    }

    /// Whether it may have escapes.
    pub(super) fn has_escapes(&self) -> bool {
        self.bytes.iter().any(|byte| b"%&\\".contains(byte))
    }

    /// Length of the longest run of characters that hexadecimal or base64 may have.
    pub(super) fn longest_run(&self) -> usize {
        let (mut longest, mut run) = (0, 0);
        for byte in self.bytes.iter() {
            run = if is_of_encoding(*byte) { run + 1 } else { 0 };
            longest = longest.max(run);
        }
        longest
    }

    /// The whole run of such characters around `at`: the ends of an encoded secret share letters
    /// with what stands beside it.
    pub(super) fn run(&self, at: usize) -> Range<usize> {
        let before = self.bytes.iter().take(at).rev();
        let start = at - before.take_while(|byte| is_of_encoding(**byte)).count();
        let after = self.bytes.iter().skip(at);
        start..at + after.take_while(|byte| is_of_encoding(**byte)).count()
    }

    /// The text with its escapes replaced once; `None` if it has none.
    pub(super) fn unescaped(&self) -> Option<View<'static>> {
        if !self.has_escapes() {
            return None;
        }
        let (mut bytes, mut origins) = (Vec::new(), Vec::new());
        let (mut at, mut is_changed) = (0, false);
        while let Some(byte) = self.bytes.get(at) {
            let rest = self.bytes.get(at..).unwrap_or_default();
            let (byte, length) = escape(rest).unwrap_or((*byte, 1));
            is_changed |= length > 1;
            bytes.push(byte);
            origins.push(self.origin(at));
            at += length;
        }
        origins.push(self.origin(at));
        is_changed.then_some(View {
            bytes: Cow::Owned(bytes),
            origins: Origins::At(origins),
        })
    }
}

/// The ASCII character of an escape at the start of `text`, and the escape's length.
fn escape(text: &[u8]) -> Option<(u8, usize)> {
    match text {
        [b'%', high, low, ..] => Some((number(&[*high, *low], 16)?, 3)),
        [b'\\', b'u', digits @ ..] => Some((number(digits.get(..4)?, 16)?, 6)),
        [b'\\', b'x', high, low, ..] => Some((number(&[*high, *low], 16)?, 4)),
        [b'\\', escaped, ..] if escaped.is_ascii_punctuation() => Some((*escaped, 2)),
        [b'&', entity @ ..] => {
            let end = entity.iter().take(10).position(|byte| *byte == b';')?;
            Some((character(entity.get(..end)?)?, end + 2))
        }
        _ => None,
    }
}

/// The ASCII character of an HTML entity.
fn character(entity: &[u8]) -> Option<u8> {
    match entity {
        b"amp" => Some(b'&'),
        b"lt" => Some(b'<'),
        b"gt" => Some(b'>'),
        b"quot" => Some(b'"'),
        b"apos" => Some(b'\''),
        b"plus" => Some(b'+'),
        b"sol" => Some(b'/'),
        b"equals" => Some(b'='),
        [b'#', b'x' | b'X', digits @ ..] => number(digits, 16),
        [b'#', digits @ ..] => number(digits, 10),
        _ => None,
    }
}

/// An ASCII character by its number.
fn number(digits: &[u8], radix: u32) -> Option<u8> {
    let digits = str::from_utf8(digits).ok()?;
    let number = u8::from_str_radix(digits, radix).ok();
    number.filter(|number| number.is_ascii() && !digits.starts_with('+'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_found_wherever_it_is() {
        for text in ["abcd1234", "  abcd1234", "abc-d1234.", "abc abcd1234 abc"] {
            assert!(has_run(text.as_bytes(), 8), "{text}");
        }
        for text in ["", "abcd123", "abcd123 bcd1234", "abcd.1234 a1b2c3d"] {
            assert!(!has_run(text.as_bytes(), 8), "{text}");
        }
    }
}
