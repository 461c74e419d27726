//! The portal as it counts: a bucket that fills when a request arrives.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::{CallNumber, Conversation, Conversations};

/// The portal's own books. Times are microseconds since the start.
#[derive(Debug, Default)]
pub(super) struct Model {
    level_micro: u64,
    at: u64,
    pub(super) accepted: usize,
    pub(super) rejected: usize,
    /// The newest call that each conversation has seen.
    newest: HashMap<Conversation, CallNumber>,
    in_progress: HashSet<Conversation>,
}

const BURST: u64 = 50;
const PER_SECOND: u64 = 2;
const REQUEST: u64 = 1_000_000;

impl Model {
    /// A request arrives; false: the bucket is full.
    pub(super) fn arrives(&mut self, at: Duration) -> bool {
        let at = u64::try_from(at.as_micros()).unwrap();
        self.level_micro = self.level_micro.saturating_sub((at - self.at) * PER_SECOND);
        self.at = at;
        let fits = self.level_micro + REQUEST <= BURST * REQUEST;
        if fits {
            self.level_micro += REQUEST;
            self.accepted += 1;
        } else {
            self.rejected += 1;
        }
        fits
    }

    /// Another client at the same address sends a request.
    pub(super) fn other_client(&mut self, at: Duration) {
        if self.arrives(at) {
            self.accepted -= 1;
        } else {
            self.rejected -= 1;
        }
    }

    /// The calls of a request are executed in this order, each with its conversations.
    pub(super) fn begins(&mut self, calls: &[(CallNumber, Conversations)]) {
        let conversations: HashSet<Conversation> = calls
            .iter()
            .flat_map(|(_, conversations)| conversations.iter().copied())
            .collect();
        for conversation in conversations {
            assert!(self.in_progress.insert(conversation), "in flight twice");
        }
        for (number, conversations) in calls {
            for conversation in conversations {
                let before = self.newest.insert(*conversation, *number);
                assert!(before.is_none_or(|before| before < *number), "out of order");
            }
        }
    }

    pub(super) fn ends(&mut self, conversations: &[Conversation]) {
        for conversation in conversations {
            self.in_progress.remove(conversation);
        }
    }
}
