//! Proof that a request may be sent now.

use super::queue::Waiting;
use crate::call::Conversation;

/// One or more calls of a tenant that may be sent in one request now. Only [`Portal::next`](super::portal::Portal::next) makes it,
/// and sending consumes it.
#[derive(Debug)]
pub(super) struct Permit<J> {
    calls: Vec<Waiting<J>>,
    conversations: Vec<Conversation>,
}

impl<J> Permit<J> {
    pub(super) fn of(calls: Vec<Waiting<J>>) -> Self {
        let mut conversations: Vec<Conversation> = calls
            .iter()
            .flat_map(|call| call.terms.conversations.iter().copied())
            .collect();
        conversations.sort_unstable();
        conversations.dedup();
        Self {
            calls,
            conversations,
        }
    }

    /// The calls, in the order in which they are to be executed, and the conversations that wait for the end.
    pub(super) fn into_parts(self) -> (Vec<Waiting<J>>, Vec<Conversation>) {
        (self.calls, self.conversations)
    }

    #[cfg(test)]
    pub(super) fn numbers(&self) -> Vec<super::queue::CallNumber> {
        self.calls.iter().map(|call| call.terms.number).collect()
    }
}
