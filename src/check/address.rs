//! The spelling of web addresses.

pub(super) fn is_absolute(value: &str) -> bool {
    let rest = ["http://", "https://"].into_iter().find_map(|scheme| {
        let (start, rest) = value.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    });
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/') && is_visible(rest))
}

/// A path on the portal. Two slashes at the start would name another host.
pub(super) fn is_portal_path(value: &str) -> bool {
    value
        .strip_prefix('/')
        .is_some_and(|rest| !rest.starts_with('/') && is_visible(rest))
}

fn is_visible(text: &str) -> bool {
    text.chars()
        .all(|character| character > ' ' && character != '\u{7f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_absolute_or_a_path_on_the_portal() {
        for good in ["http://a", "HTTPS://a.b/c?d#e", "https://пример.рф/"] {
            assert!(is_absolute(good), "{good}");
        }
        for bad in [
            "",
            "a.b",
            "ftp://a",
            "http://",
            "http:///a",
            "http://a b",
            "https://a\n",
        ] {
            assert!(!is_absolute(bad), "{bad}");
        }
        assert!(is_portal_path("/") && is_portal_path("/crm/lead/1/"));
        assert!(!is_portal_path("//evil.example/") && !is_portal_path("crm/"));
    }
}
