//! Proof that a request may be sent now.

use crate::{Conversation, Selection, Waiting};

/// One or more calls of a tenant that are prepared and may be sent in one request now. Only
/// [`Portal::next`](crate::Portal::next) makes it, and sending consumes it.
#[derive(Debug)]
pub struct Permit<J> {
    calls: Vec<Waiting<J>>,
    conversations: Vec<Conversation>,
}

impl<J> Permit<J> {
    pub(crate) fn of(prepared: Selection<J>) -> Self {
        let Selection {
            calls,
            conversations,
            is_recorded: _,
            removed: _,
        } = prepared;
        Self {
            calls,
            conversations,
        }
    }

    /// The calls in their order of execution, and the conversations that wait for the end.
    pub fn into_parts(self) -> (Vec<Waiting<J>>, Vec<Conversation>) {
        (self.calls, self.conversations)
    }

    #[cfg(test)]
    pub(crate) fn numbers(&self) -> Vec<crate::CallNumber> {
        self.calls.iter().map(|call| call.info.number).collect()
    }
}
