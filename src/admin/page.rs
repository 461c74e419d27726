//! Pages of a list: how long they are, and where the next one begins.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::check::Violations;
use bitrix24::TenantId;

/// Tenants on a page, if the request does not say.
const DEFAULT_SIZE: usize = 50;
/// Most tenants on a page: with long names a page has half a megabyte.
const MAXIMUM_SIZE: usize = 1000;

/// What a token begins with: a token of another form can be told from this one.
const VERSION: u8 = 1;
/// The part of the filters' hash in a token, in bytes. It detects mistakes, not attacks: a token
/// grants nothing.
const HASH_BYTES: usize = 8;

/// The number of tenants on a page.
pub(super) fn size(incoming: i32, violations: &mut Violations) -> usize {
    match usize::try_from(incoming) {
        Ok(0) => DEFAULT_SIZE,
        Ok(size) => size.min(MAXIMUM_SIZE),
        Err(_negative) => {
            let description = "is below 0; give 0 or more";
            violations.add("page_size", "NEGATIVE", description);
            DEFAULT_SIZE
        }
    }
}

/// What a list is narrowed by, as far as tokens care.
#[derive(Clone, Copy, Debug)]
pub(super) struct Filters<'a> {
    pub(super) state: i32,
    pub(super) portal: &'a str,
}

impl Filters<'_> {
    fn hash(self) -> [u8; HASH_BYTES] {
        let sum = Sha256::new()
            .chain_update(self.state.to_be_bytes())
            .chain_update(self.portal)
            .finalize();
        let mut hash = [0; HASH_BYTES];
        for (to, from) in hash.iter_mut().zip(sum) {
            *to = from;
        }
        hash
    }
}

/// The token of the page behind `last`.
pub(super) fn token(last: &TenantId, filters: Filters<'_>) -> String {
    let bytes = [VERSION].into_iter().chain(filters.hash());
    bytes
        .chain(last.as_str().bytes())
        .fold(String::new(), |mut token, byte| {
            // Writing into a text cannot fail.
            let _ = write!(token, "{byte:02x}");
            token
        })
}

/// The tenant before the page. `None` for the first page, and with a violation for an invalid
/// token.
pub(super) fn read(
    token: &str,
    filters: Filters<'_>,
    violations: &mut Violations,
) -> Option<TenantId> {
    if token.is_empty() {
        return None;
    }
    let last = decode(token, filters);
    if last.is_none() {
        violations.add(
            "page_token",
            "PAGE_TOKEN",
            "is no next_page_token of a list with these filters; begin again without one",
        );
    }
    last
}

fn decode(token: &str, filters: Filters<'_>) -> Option<TenantId> {
    let bytes = token
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect::<Option<Vec<u8>>>()?;
    let rest = bytes.strip_prefix(&[VERSION])?;
    let last = rest.strip_prefix(&filters.hash())?;
    TenantId::parse(std::str::from_utf8(last).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Filters<'_> = Filters {
        state: 0,
        portal: "",
    };

    #[test]
    fn a_token_leads_on_with_the_same_filters_only() {
        let last = TenantId::parse("acme.de-1_x").unwrap();
        let token = token(&last, NONE);
        let mut violations = Violations::default();
        assert_eq!(read(&token, NONE, &mut violations), Some(last));
        assert!(violations.is_empty());

        let others = [
            Filters { state: 1, ..NONE },
            Filters {
                portal: "a.bitrix24.com",
                ..NONE
            },
        ];
        for filters in others {
            assert_eq!(read(&token, filters, &mut violations), None);
        }
        assert_eq!(violations.found(), 2);
    }

    #[test]
    fn any_other_text_is_no_token() {
        let token = token(&TenantId::parse("a").unwrap(), NONE);
        let longer = format!("{token}41");
        let half = &token[..token.len() - 1];
        for text in ["x", "01", "é", half, &token[2..], &longer, "+1"] {
            let mut violations = Violations::default();
            assert_eq!(read(text, NONE, &mut violations), None, "{text}");
            assert_eq!(violations.found(), 1);
        }
    }

    #[test]
    fn a_page_has_a_size_within_limits() {
        let mut violations = Violations::default();
        for (incoming, expected) in [
            (0, 50),
            (1, 1),
            (1000, 1000),
            (1001, 1000),
            (i32::MAX, 1000),
        ] {
            assert_eq!(size(incoming, &mut violations), expected);
        }
        assert!(violations.is_empty());
        size(-1, &mut violations);
        assert_eq!(violations.kept()[0].field, "page_size");
    }
}
