//! The URI of a client certificate in the settings.

use thiserror::Error;

/// Longest URI, in bytes, that SPIFFE allows.
const MAXIMUM_BYTES: usize = 2048;

/// A text is not the URI of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum InvalidUri {
    #[error(
        "is not a URI like spiffe://example.org/shop, of at most {MAXIMUM_BYTES} ASCII characters"
    )]
    Form,
    #[error(
        "is not a SPIFFE id: spiffe://, a trust domain in lower case, and a path of letters, digits, \
         '-', '_' and '.'"
    )]
    Spiffe,
}

/// Checks the URI that a certificate must have, byte for byte. It is never a pattern.
pub(super) fn check(text: &str) -> Result<(), InvalidUri> {
    let Some((scheme, rest)) = text.split_once(':') else {
        return Err(InvalidUri::Form);
    };
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let is_printable = rest.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_scheme || rest.is_empty() || !is_printable || text.len() > MAXIMUM_BYTES {
        return Err(InvalidUri::Form);
    }
    if scheme.eq_ignore_ascii_case("spiffe") && !is_spiffe(text) {
        return Err(InvalidUri::Spiffe);
    }
    Ok(())
}

/// The rules of the SPIFFE standard for the ids of workloads, which have a path.
fn is_spiffe(text: &str) -> bool {
    let Some((domain, path)) = text
        .strip_prefix("spiffe://")
        .and_then(|rest| rest.split_once('/'))
    else {
        return false;
    };
    let in_domain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    let in_path = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let is_segment = |segment: &str| {
        !segment.is_empty() && segment != "." && segment != ".." && segment.bytes().all(in_path)
    };
    !domain.is_empty() && domain.bytes().all(in_domain) && path.split('/').all(is_segment)
}

#[cfg(test)]
mod tests {
    use super::{InvalidUri, check};

    #[test]
    fn a_spiffe_id_or_another_uri_is_taken_as_it_is() {
        for text in [
            "spiffe://example.org/shop",
            "spiffe://cluster.local/ns/shop/sa/sender-1_x",
            "urn:example:shop",
            "https://example.org/shop?x=1",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_no_certificate_can_have_is_refused() {
        for (text, expected) in [
            ("", InvalidUri::Form),
            ("shop.example.org", InvalidUri::Form),
            (":x", InvalidUri::Form),
            ("urn:", InvalidUri::Form),
            ("urn:a b", InvalidUri::Form),
            ("urn:\u{fc}", InvalidUri::Form),
            ("spiffe://example.org", InvalidUri::Spiffe),
            ("spiffe://example.org/", InvalidUri::Spiffe),
            ("spiffe://Example.org/shop", InvalidUri::Spiffe),
            ("SPIFFE://example.org/shop", InvalidUri::Spiffe),
            ("spiffe://example.org:443/shop", InvalidUri::Spiffe),
            ("spiffe://user@example.org/shop", InvalidUri::Spiffe),
            ("spiffe://example.org/shop?x=1", InvalidUri::Spiffe),
            ("spiffe://example.org/a/../b", InvalidUri::Spiffe),
            ("spiffe://example.org/*", InvalidUri::Spiffe),
            ("spiffe://example.org/a%20b", InvalidUri::Spiffe),
        ] {
            assert_eq!(check(text), Err(expected), "{text}");
        }
    }
}
