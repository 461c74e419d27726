//! What a portal remembers while it runs: dialogues, users made for senders, weekly messages, ids.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use secrecy::ExposeSecret;

use super::baskets::Baskets;
use super::bucket::Buckets;
use super::oauth::Grants;
use super::portal::{Portal, TokenState};

/// Makes single messages of `imconnector.send.messages` fail inside an answer with HTTP 200.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageRule {
    /// The external message id that fails. `None`: any.
    pub message_id: Option<String>,
    /// The text that fails. `None`: any.
    pub text: Option<String>,
    /// What stands in `ERRORS`.
    pub error: String,
}

impl MessageRule {
    /// Whether the rule is about this message. A rule that names neither id nor text is about every message.
    pub(super) fn applies(&self, message_id: Option<&str>, text: &str) -> bool {
        self.message_id
            .as_deref()
            .is_none_or(|wanted| Some(wanted) == message_id)
            && self.text.as_deref().is_none_or(|wanted| wanted == text)
    }
}

/// A portal and its memory.
#[derive(Debug)]
pub(super) struct PortalState {
    pub(super) portal: Portal,
    dialogues: HashMap<DialogueKey, Dialogue>,
    messenger_users: HashMap<(String, String), i64>,
    network_messages: HashMap<i64, Timestamp>,
    message_ids: HashSet<(String, String)>,
    last_id: i64,
    /// The tokens of the applications.
    pub(super) grants: Grants,
    /// How many requests came lately.
    pub(super) buckets: Buckets,
    /// How long the methods worked lately.
    pub(super) baskets: Baskets,
}

/// What makes two messages belong to one dialogue: connector, line, and the external user or chat.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct DialogueKey {
    pub(super) connector: String,
    pub(super) line: i64,
    /// `user.id`, or `chat.id` for a connector with `CHAT_GROUP`.
    pub(super) partner: String,
}

/// A dialogue on an open line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dialogue {
    pub(super) session_id: i64,
    pub(super) chat_id: i64,
}

/// New ids start here, above those of any portal definition in use.
const FIRST_ID: i64 = 100_000;

impl PortalState {
    pub(super) fn new(portal: Portal, now: Timestamp) -> Self {
        Self {
            grants: Grants::of(&portal, now),
            portal,
            dialogues: HashMap::new(),
            messenger_users: HashMap::new(),
            network_messages: HashMap::new(),
            message_ids: HashSet::new(),
            last_id: FIRST_ID,
            buckets: Buckets::default(),
            baskets: Baskets::default(),
        }
    }

    /// Lets one of the definition's access tokens expire, because a refresh has replaced it.
    pub(super) fn expire_listed_token(&mut self, token: &str) {
        for listed in &mut self.portal.tokens {
            if listed.token.expose_secret() == token {
                listed.state = TokenState::Expired;
            }
        }
    }

    /// An id that this portal has not used before.
    pub(super) fn new_id(&mut self) -> i64 {
        self.last_id += 1;
        self.last_id
    }

    /// The dialogue of this key, opened if there is none.
    pub(super) fn dialogue(&mut self, key: DialogueKey) -> Dialogue {
        if let Some(dialogue) = self.dialogues.get(&key) {
            return *dialogue;
        }
        let dialogue = Dialogue {
            session_id: self.new_id(),
            chat_id: self.new_id(),
        };
        self.dialogues.insert(key, dialogue);
        dialogue
    }

    /// The portal's own user for an external user of a connector, made if there is none.
    pub(super) fn messenger_user(&mut self, connector: &str, external: &str) -> i64 {
        let key = (connector.to_owned(), external.to_owned());
        if let Some(id) = self.messenger_users.get(&key) {
            return *id;
        }
        let id = self.new_id();
        self.messenger_users.insert(key, id);
        id
    }

    /// Whether no message with this external id came through the connector before. Remembers it.
    pub(super) fn is_first(&mut self, connector: &str, message_id: &str) -> bool {
        let key = (connector.to_owned(), message_id.to_owned());
        self.message_ids.insert(key)
    }

    /// When the user last had a network message.
    pub(super) fn last_network_message(&self, user: i64) -> Option<Timestamp> {
        self.network_messages.get(&user).copied()
    }

    pub(super) fn remember_network_message(&mut self, user: i64, at: Timestamp) {
        self.network_messages.insert(user, at);
    }
}
