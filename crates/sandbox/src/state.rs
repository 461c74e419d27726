//! The memory of a running portal.

mod baskets;
mod buckets;
mod grants;

pub(crate) use baskets::OperatingTime;
pub(crate) use buckets::{Admission, BucketKey};
pub use grants::GrantedPair;
pub(crate) use grants::{CODE_SECONDS, NewPair};

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use secrecy::ExposeSecret;

use self::baskets::Baskets;
use self::buckets::Buckets;
use self::grants::Grants;
use crate::portal::{Portal, TokenState};

/// The definition of a portal, which can change, and its memory.
#[derive(Debug)]
pub(crate) struct PortalState {
    pub(crate) definition: Portal,
    dialogues: HashMap<DialogueKey, Dialogue>,
    messenger_users: HashMap<(String, String), i64>,
    network_messages: HashMap<i64, Timestamp>,
    message_ids: HashSet<(String, String)>,
    last_id: i64,
    pub(crate) grants: Grants,
    pub(crate) buckets: Buckets,
    pub(crate) baskets: Baskets,
}

/// Messages with the same key belong to one dialogue.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct DialogueKey {
    pub(crate) connector: String,
    pub(crate) line: i64,
    /// `user.id`, or `chat.id` for a connector with `CHAT_GROUP`.
    pub(crate) partner: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dialogue {
    pub(crate) session_id: i64,
    pub(crate) chat_id: i64,
}

/// New ids start above this, higher than those of any definition in use.
const FIRST_ID: i64 = 100_000;

impl PortalState {
    pub(crate) fn new(definition: Portal, now: Timestamp) -> Self {
        Self {
            grants: Grants::of(&definition, now),
            definition,
            dialogues: HashMap::new(),
            messenger_users: HashMap::new(),
            network_messages: HashMap::new(),
            message_ids: HashSet::new(),
            last_id: FIRST_ID,
            buckets: Buckets::default(),
            baskets: Baskets::default(),
        }
    }

    /// Sets the state of an access token of the definition or a granted one. Whether it is known.
    pub(crate) fn set_token_state(
        &mut self,
        token: &str,
        state: TokenState,
        now: Timestamp,
    ) -> bool {
        let is_granted = self.grants.set_state(token, state, now);
        self.set_listed_token_state(token, state) || is_granted
    }

    /// The same for the access tokens of the definition only.
    pub(crate) fn set_listed_token_state(&mut self, token: &str, state: TokenState) -> bool {
        let mut is_known = false;
        for listed in &mut self.definition.tokens {
            if listed.token.expose_secret() == token {
                listed.state = state;
                is_known = true;
            }
        }
        is_known
    }

    /// Forgets all that counts against the limits.
    pub(crate) fn reset_limits(&mut self) {
        self.buckets = Buckets::default();
        self.baskets = Baskets::default();
    }

    pub(crate) fn new_id(&mut self) -> i64 {
        next(&mut self.last_id)
    }

    /// The dialogue of this key, opened if it is new.
    pub(crate) fn dialogue(&mut self, key: DialogueKey) -> Dialogue {
        let last_id = &mut self.last_id;
        *self.dialogues.entry(key).or_insert_with(|| Dialogue {
            session_id: next(last_id),
            chat_id: next(last_id),
        })
    }

    /// The portal's own user for an external user of a connector, created if it is new.
    pub(crate) fn messenger_user(&mut self, connector: &str, external: &str) -> i64 {
        let key = (connector.to_owned(), external.to_owned());
        let last_id = &mut self.last_id;
        *self
            .messenger_users
            .entry(key)
            .or_insert_with(|| next(last_id))
    }

    /// Whether the connector had no message with this external id before. Remembers it.
    pub(crate) fn is_first(&mut self, connector: &str, message_id: &str) -> bool {
        let key = (connector.to_owned(), message_id.to_owned());
        self.message_ids.insert(key)
    }

    /// When the user last had a network message.
    pub(crate) fn last_network_message(&self, user: i64) -> Option<Timestamp> {
        self.network_messages.get(&user).copied()
    }

    /// When users last had a network message.
    pub(crate) fn network_messages(&self) -> impl Iterator<Item = (i64, Timestamp)> {
        self.network_messages.iter().map(|(user, at)| (*user, *at))
    }

    pub(crate) fn remember_network_message(&mut self, user: i64, at: Timestamp) {
        self.network_messages.insert(user, at);
    }
}

fn next(last_id: &mut i64) -> i64 {
    *last_id += 1;
    *last_id
}
