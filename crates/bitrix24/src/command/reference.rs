//! Finds texts that a portal could take for a reference to another command's result:
//! `$result[key][field]`.
//!
//! Bitrix24 does not document whether references are resolved before or after a command is
//! decoded, so every text that decodes to a reference counts.

/// Start of a reference. The bracket after it is not checked, to be safe.
const START: &[u8] = b"$result";

/// How often a text is decoded. A text that is still encoded then counts as a reference.
const MAXIMUM_DECODINGS: usize = 4;

/// Whether a decoder could make a reference out of the text.
pub(super) fn is_possible(text: &str) -> bool {
    if !text.contains(['$', '%']) {
        return false;
    }
    let mut text = text.as_bytes().to_vec();
    for _ in 0..MAXIMUM_DECODINGS {
        text.retain(|byte| !byte.is_ascii_control());
        if text
            .windows(START.len())
            .any(|part| part.eq_ignore_ascii_case(START))
        {
            return true;
        }
        let decoded = decode(&text);
        if decoded.len() == text.len() {
            return false;
        }
        text = decoded;
    }
    true
}

/// Decodes percent-encoded bytes and keeps the others.
fn decode(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let byte = match after {
            [high, low, ..] if *first == b'%' => digit(*high)
                .zip(digit(*low))
                .map(|(high, low)| high * 16 + low),
            _ => None,
        };
        decoded.push(byte.unwrap_or(*first));
        rest = if byte.is_some() {
            after.get(2..).unwrap_or_default()
        } else {
            after
        };
    }
    decoded
}

fn digit(byte: u8) -> Option<u8> {
    let digit = char::from(byte).to_digit(16)?;
    u8::try_from(digit).ok()
}

#[cfg(test)]
mod tests {
    use super::is_possible;

    #[test]
    fn references_are_found_in_every_form_that_decodes_to_one() {
        for text in [
            "$result[m1]",
            "a $RESULT[m1][0] b",
            "$result",
            "%24result[m1]",
            "$%72esult%5Bm1%5D",
            "%2524result[m1]",
            "%25%32%34result[",
            "$re\u{0}sult[m1]",
            "$re%00sult[m1]",
            "%25252525252524",
        ] {
            assert!(is_possible(text), "{text:?}");
        }
    }

    #[test]
    fn other_texts_with_dollars_and_percents_are_none() {
        for text in [
            "",
            "result[m1]",
            "costs 5 $, results tomorrow",
            "100 % of $RES",
            "%zz %2 %",
            "%D1%8F",
            "US$ result[1]",
        ] {
            assert!(!is_possible(text), "{text:?}");
        }
    }
}
