//! The id of a call in logs, in the response and in error details.

use http::{HeaderMap, HeaderName};
use uuid::Uuid;

/// The header with the id, of the request (optional) and of the response.
pub(super) const CALL_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is accepted, in characters.
const LONGEST: usize = 128;

/// The caller's id if it has harmless characters only, otherwise a new one.
pub(super) fn of(headers: &HeaderMap) -> String {
    let given = headers.get(CALL_ID).and_then(|id| id.to_str().ok());
    given
        .filter(|id| is_harmless(id))
        .map_or_else(|| Uuid::now_v7().to_string(), str::to_owned)
}

fn is_harmless(id: &str) -> bool {
    (1..=LONGEST).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_harmless_id_is_kept_and_others_are_replaced() {
        let mut headers = HeaderMap::new();
        headers.insert(CALL_ID, "order-7.1".parse().unwrap());
        assert_eq!(of(&headers), "order-7.1");
        for bad in ["", "two words", "a\"b", &"x".repeat(129)] {
            headers.insert(CALL_ID, bad.parse().unwrap());
            assert_eq!(of(&headers).len(), 36, "{bad}");
        }
    }
}
