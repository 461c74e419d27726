//! Keys as errors show them.

/// Longest key that errors quote, in bytes.
const MAXIMUM_QUOTED_BYTES: usize = 64;

/// The key as errors show it.
pub(super) fn shown(key: &str) -> &str {
    if is_quotable(key) {
        key
    } else {
        "(unprintable key)"
    }
}

/// Whether errors may quote a key: it looks like the name of a setting, not like a secret or a
/// whole line. No setting has a digit or a capital in its name; few secrets have neither.
pub(super) fn is_quotable(key: &str) -> bool {
    key.len() <= MAXIMUM_QUOTED_BYTES
        && !key.is_empty()
        && key
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || b"_-.".contains(&byte))
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
    use super::nested;

    #[test]
    fn a_dotted_path_is_shown_as_nested_keys() {
        assert_eq!(nested("server.tls.file"), "`server: {tls: {file: …}}`");
        assert_eq!(nested("server"), "`server: …`");
    }
}
