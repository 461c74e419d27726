//! Keys as errors show them.

/// Longest key that errors quote, in bytes.
const MAXIMUM_QUOTED_BYTES: usize = 64;

/// The key as errors show it.
pub(super) fn shown(key: &str) -> &str {
    if is_quotable(key) {
        key
    } else {
        "(a key that may be a secret)"
    }
}

/// Most digits at the end of a word of a key that errors quote.
const MAXIMUM_DIGITS: usize = 3;

/// Whether errors may quote a key: it looks like the name of a setting, not like a secret or a
/// whole line. Its words are lower-case letters, maybe with a number behind them, as in `auth2`;
/// few secrets are.
pub(super) fn is_quotable(key: &str) -> bool {
    let is_word = |word: &str| {
        let letters = word.trim_end_matches(|character: char| character.is_ascii_digit());
        word.len() - letters.len() <= MAXIMUM_DIGITS
            && (word.is_empty() || !letters.is_empty())
            && letters.bytes().all(|byte| byte.is_ascii_lowercase())
    };
    key.len() <= MAXIMUM_QUOTED_BYTES && !key.is_empty() && key.split(['_', '-', '.']).all(is_word)
}

/// A path with dots as YAML has it.
pub(super) fn nested(path: &str) -> String {
    let yaml = path
        .rsplit('.')
        .fold("…".to_owned(), |inner, key| format!("{{{key}: {inner}}}"));
    let inner = yaml
        .strip_prefix('{')
        .and_then(|yaml| yaml.strip_suffix('}'));
    format!("`{}`", inner.unwrap_or(&yaml))
}

#[cfg(test)]
mod tests {
    use super::{nested, shown};

    #[test]
    fn a_key_is_shown_if_it_looks_like_a_setting() {
        for name in [
            "auth2",
            "nat64_prefixes",
            "server.tls",
            "a-b",
            "listen",
            "sha256",
        ] {
            assert_eq!(shown(name), name);
        }
        for hidden in [
            "",
            "s3cr3tcanary",
            "Listen",
            "a b",
            "x1y2",
            "0123",
            "a1234",
            "a:b",
        ] {
            assert_eq!(shown(hidden), "(a key that may be a secret)", "{hidden}");
        }
    }

    #[test]
    fn a_dotted_path_is_shown_as_nested_keys() {
        assert_eq!(nested("server.tls.file"), "`server: {tls: {file: …}}`");
        assert_eq!(nested("server"), "`server: …`");
    }
}
