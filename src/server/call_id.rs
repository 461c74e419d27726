//! The id of a call in logs, in the response and in error details.

use std::sync::Arc;

use http::{HeaderMap, HeaderName};
use uuid::{NoContext, Timestamp, Uuid};

/// The header with the id, of the request (optional) and of the response.
pub(super) const CALL_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is accepted, in characters.
const LONGEST: usize = 128;

/// The caller's id if it has harmless characters only, otherwise a new one.
pub(super) fn of(headers: &HeaderMap) -> Arc<str> {
    let given = headers.get(CALL_ID).and_then(|id| id.to_str().ok());
    given
        .filter(|id| is_harmless(id))
        .map_or_else(new, Arc::from)
}

/// Random within a millisecond: a counter would be a lock that all calls share.
pub(super) fn new() -> Arc<str> {
    let id = Uuid::new_v7(Timestamp::now(NoContext));
    Arc::from(&*id.hyphenated().encode_lower(&mut Uuid::encode_buffer()))
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
        assert_eq!(&*of(&headers), "order-7.1");
        for bad in ["", "two words", "a\"b", &"x".repeat(129)] {
            headers.insert(CALL_ID, bad.parse().unwrap());
            assert_eq!(of(&headers).len(), 36, "{bad}");
        }
    }
}
