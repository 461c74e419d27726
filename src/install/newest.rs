//! The newest event of each portal, so that a late older event does not undo it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use bitrix24::{ClientId, MemberId};

/// How long a portal is remembered: longer than the maximum age of an event and its retries
/// together.
const MEMORY: SignedDuration = SignedDuration::from_mins(30);

/// When the newest event of each application and portal was sent. Only for verified events.
#[derive(Debug, Default)]
pub(super) struct Newest(Mutex<HashMap<(ClientId, MemberId), Timestamp>>);

impl Newest {
    /// Records an event. Returns false if a newer one of its portal is recorded.
    pub(super) fn record(
        &self,
        client_id: &ClientId,
        member_id: &MemberId,
        sent_at: Timestamp,
    ) -> bool {
        let mut newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Timestamp::now();
        newest.retain(|_, recorded| now.duration_since(*recorded) < MEMORY);
        let key = (client_id.clone(), member_id.clone());
        let is_outdated = newest.get(&key).is_some_and(|recorded| *recorded > sent_at);
        if !is_outdated {
            newest.insert(key, sent_at);
        }
        !is_outdated
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_event_of_the_same_portal_is_refused() {
        let newest = Newest::default();
        let client = ClientId::parse("local.1").unwrap();
        let [one, other] = ["a1", "b2"].map(|id| MemberId::parse(id).unwrap());
        let now = Timestamp::now();
        let before = now - SignedDuration::from_secs(1);
        assert!(newest.record(&client, &one, now));
        assert!(newest.record(&client, &one, now));
        assert!(!newest.record(&client, &one, before));
        assert!(newest.record(&client, &other, before));
    }
}
