//! The order within each conversation.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::CallNumber;
use crate::call::Conversation;

/// The conversations that have calls waiting or in the air.
#[derive(Debug, Default)]
pub(super) struct Lines {
    lines: HashMap<Conversation, Line>,
}

#[derive(Debug, Default)]
struct Line {
    waiting: BTreeSet<CallNumber>,
    /// Whether a request with a call of this conversation is on its way.
    is_in_the_air: bool,
}

impl Lines {
    pub(super) fn waiting(&self, conversation: Conversation) -> usize {
        let line = self.lines.get(&conversation);
        line.map_or(0, |line| line.waiting.len())
    }

    /// Whether one of these conversations has calls here.
    pub(super) fn has_any(&self, conversations: &[Conversation]) -> bool {
        conversations
            .iter()
            .any(|conversation| self.lines.contains_key(conversation))
    }

    pub(super) fn join(&mut self, conversations: &[Conversation], number: CallNumber) {
        for conversation in conversations {
            let line = self.lines.entry(*conversation).or_default();
            line.waiting.insert(number);
        }
    }

    /// The calls that wait before this one.
    pub(super) fn before(
        &self,
        conversation: Conversation,
        number: CallNumber,
    ) -> impl Iterator<Item = CallNumber> {
        let line = self.lines.get(&conversation);
        line.into_iter()
            .flat_map(move |line| line.waiting.range(..number).copied())
    }

    /// Whether a call has nobody before it, waiting or in the air.
    pub(super) fn is_first(&self, conversations: &[Conversation], number: CallNumber) -> bool {
        conversations.iter().all(|conversation| {
            self.lines.get(conversation).is_none_or(|line| {
                !line.is_in_the_air && line.waiting.first().is_none_or(|first| *first == number)
            })
        })
    }

    /// Whether a call may go in the same batch as those that are on board already.
    pub(super) fn may_follow(
        &self,
        conversations: &[Conversation],
        number: CallNumber,
        on_board: &HashSet<Conversation>,
    ) -> bool {
        conversations.iter().all(|conversation| {
            self.lines.get(conversation).is_none_or(|line| {
                (!line.is_in_the_air || on_board.contains(conversation))
                    && line.waiting.first().is_none_or(|first| *first == number)
            })
        })
    }

    /// A call leaves without having been sent. Gives those that are first now.
    pub(super) fn leave(
        &mut self,
        conversations: &[Conversation],
        number: CallNumber,
    ) -> Vec<CallNumber> {
        for conversation in conversations {
            if let Some(line) = self.lines.get_mut(conversation) {
                line.waiting.remove(&number);
            }
        }
        self.settle(conversations)
    }

    /// A call is sent.
    pub(super) fn depart(&mut self, conversations: &[Conversation], number: CallNumber) {
        for conversation in conversations {
            let line = self.lines.entry(*conversation).or_default();
            line.waiting.remove(&number);
            line.is_in_the_air = true;
        }
    }

    /// Requests with calls of these conversations have ended. Gives those that are first now.
    pub(super) fn land(&mut self, conversations: &[Conversation]) -> Vec<CallNumber> {
        for conversation in conversations {
            if let Some(line) = self.lines.get_mut(conversation) {
                line.is_in_the_air = false;
            }
        }
        self.settle(conversations)
    }

    /// The first waiting call of each of these conversations.
    pub(super) fn heads(&self, conversations: &[Conversation]) -> Vec<CallNumber> {
        let lines = conversations.iter().filter_map(|line| self.lines.get(line));
        lines
            .filter_map(|line| line.waiting.first().copied())
            .collect()
    }

    /// Forgets empty lines.
    fn settle(&mut self, conversations: &[Conversation]) -> Vec<CallNumber> {
        let heads = self.heads(conversations);
        for conversation in conversations {
            let is_over = self
                .lines
                .get(conversation)
                .is_some_and(|line| line.waiting.is_empty() && !line.is_in_the_air);
            if is_over {
                self.lines.remove(conversation);
            }
        }
        heads
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}
