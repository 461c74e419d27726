//! The newest event of each portal, so that an older one that comes late undoes nothing.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use bitrix24::{ClientId, MemberId};

/// How long a portal is remembered: longer than an event may be old and may be repeated together.
const MEMORY: SignedDuration = SignedDuration::from_mins(30);

/// When the newest event of each application and portal was sent. Only proven events are entered.
#[derive(Debug, Default)]
pub(super) struct Newest(Mutex<HashMap<(ClientId, MemberId), Timestamp>>);

impl Newest {
    /// Enters an event, unless a newer one of its portal was entered. Whether it was.
    pub(super) fn enter(
        &self,
        client_id: &ClientId,
        member_id: &MemberId,
        sent_at: Timestamp,
    ) -> bool {
        let mut newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Timestamp::now();
        newest.retain(|_, entered| now.duration_since(*entered) < MEMORY);
        let key = (client_id.clone(), member_id.clone());
        let is_outdated = newest.get(&key).is_some_and(|entered| *entered > sent_at);
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
    fn an_older_event_of_the_same_portal_is_turned_away() {
        let newest = Newest::default();
        let client = ClientId::parse("local.1").unwrap();
        let [one, other] = ["a1", "b2"].map(|id| MemberId::parse(id).unwrap());
        let now = Timestamp::now();
        let before = now - SignedDuration::from_secs(1);
        assert!(newest.enter(&client, &one, now));
        assert!(newest.enter(&client, &one, now));
        assert!(!newest.enter(&client, &one, before));
        assert!(newest.enter(&client, &other, before));
    }
}
