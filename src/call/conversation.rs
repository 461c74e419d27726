//! Which conversation a message belongs to.

use std::hash::{DefaultHasher, Hash, Hasher};

/// A conversation of a portal: calls to the same one are sent in the order of their arrival, one after the other.
///
/// It is a fingerprint: two conversations that share one by chance wait for each other and lose nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Conversation(u64);

impl Conversation {
    /// The conversation that these parts name, for example connector, line and external chat. The parts must tell apart the kinds of
    /// conversation, too.
    pub fn of(parts: &impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        parts.hash(&mut hasher);
        Self(hasher.finish())
    }
}
