//! Which conversation a message belongs to.

use std::hash::{DefaultHasher, Hash, Hasher};

use smallvec::SmallVec;

/// A conversation of a portal: calls to it are sent in order of arrival, one at a time.
///
/// It is a fingerprint. Two conversations that share one by chance wait for each other and lose
/// nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Conversation(u64);

/// The conversations of a call: mostly one, and two for a message with a user and a chat.
pub type Conversations = SmallVec<[Conversation; 2]>;

impl Conversation {
    /// The conversation with these parts, for example connector, line and external chat. The parts
    /// must include the kind of conversation.
    pub fn of(parts: &impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        parts.hash(&mut hasher);
        Self(hasher.finish())
    }
}
