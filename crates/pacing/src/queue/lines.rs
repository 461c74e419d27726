//! The order within each conversation.

use std::collections::BTreeSet;

use foldhash::{HashMap, HashSet};

use crate::{CallNumber, Conversation};

/// The conversations that have calls waiting or in flight.
#[derive(Debug, Default)]
pub(super) struct Lines {
    lines: HashMap<Conversation, Line>,
    /// How many of them have waiting calls.
    with_waiting: usize,
}

#[derive(Debug, Default)]
struct Line {
    waiting: BTreeSet<CallNumber>,
    /// Whether a request with a call of this conversation is in flight.
    is_in_flight: bool,
}

impl Lines {
    pub(super) fn waiting(&self, conversation: Conversation) -> usize {
        let line = self.lines.get(&conversation);
        line.map_or(0, |line| line.waiting.len())
    }

    /// How many conversations have waiting calls.
    pub(super) fn with_waiting(&self) -> usize {
        self.with_waiting
    }

    /// Whether one of these conversations has calls here.
    pub(super) fn has_any(&self, conversations: &[Conversation]) -> bool {
        let mut conversations = conversations.iter();
        conversations.any(|conversation| self.lines.contains_key(conversation))
    }

    pub(super) fn push(&mut self, conversations: &[Conversation], number: CallNumber) {
        for conversation in conversations {
            let line = self.lines.entry(*conversation).or_default();
            self.with_waiting += usize::from(line.waiting.is_empty());
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

    /// Whether no call of the same conversations is in flight or waits before this one.
    pub(super) fn is_first(&self, conversations: &[Conversation], number: CallNumber) -> bool {
        let mut lines = conversations.iter().filter_map(|line| self.lines.get(line));
        lines.all(|line| !line.is_in_flight && line.is_head(number))
    }

    /// Whether a call may go in the same batch as those that are in it already.
    pub(super) fn may_follow(
        &self,
        conversations: &[Conversation],
        number: CallNumber,
        in_batch: &HashSet<Conversation>,
    ) -> bool {
        conversations.iter().all(|conversation| {
            self.lines.get(conversation).is_none_or(|line| {
                (!line.is_in_flight || in_batch.contains(conversation)) && line.is_head(number)
            })
        })
    }

    /// Removes a call that was not sent. Returns the calls that are first now.
    pub(super) fn cancel(
        &mut self,
        conversations: &[Conversation],
        number: CallNumber,
    ) -> Vec<CallNumber> {
        for conversation in conversations {
            if let Some(line) = self.lines.get_mut(conversation) {
                self.with_waiting -= line.leave(number);
            }
        }
        self.remove_empty(conversations)
    }

    /// A call is sent.
    pub(super) fn send(&mut self, conversations: &[Conversation], number: CallNumber) {
        for conversation in conversations {
            let line = self.lines.entry(*conversation).or_default();
            self.with_waiting -= line.leave(number);
            line.is_in_flight = true;
        }
    }

    /// The requests of these conversations have completed. Returns the calls that are first now.
    pub(super) fn complete(&mut self, conversations: &[Conversation]) -> Vec<CallNumber> {
        for conversation in conversations {
            if let Some(line) = self.lines.get_mut(conversation) {
                line.is_in_flight = false;
            }
        }
        self.remove_empty(conversations)
    }

    /// The first waiting call of each of these conversations.
    pub(super) fn heads(&self, conversations: &[Conversation]) -> Vec<CallNumber> {
        let lines = conversations.iter().filter_map(|line| self.lines.get(line));
        lines
            .filter_map(|line| line.waiting.first().copied())
            .collect()
    }

    fn remove_empty(&mut self, conversations: &[Conversation]) -> Vec<CallNumber> {
        let heads = self.heads(conversations);
        for conversation in conversations {
            let line = self.lines.get(conversation);
            if line.is_some_and(|line| line.waiting.is_empty() && !line.is_in_flight) {
                self.lines.remove(conversation);
            }
        }
        heads
    }

    /// Gives back the memory of conversations that have ended.
    pub(super) fn rest(&mut self) {
        self.lines.shrink_to_fit();
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.lines.capacity()
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

impl Line {
    /// Removes a waiting call. Returns 1 if it was the last one, 0 otherwise.
    fn leave(&mut self, number: CallNumber) -> usize {
        let was_waiting = self.waiting.remove(&number);
        usize::from(was_waiting && self.waiting.is_empty())
    }

    /// Whether no other call waits before this one.
    fn is_head(&self, number: CallNumber) -> bool {
        self.waiting.first().is_none_or(|first| *first == number)
    }
}
