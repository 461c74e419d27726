//! Taking the calls of one batch.

use std::collections::VecDeque;

use foldhash::HashSet;

use super::ready::End;
use super::{INTERACTIVE_IN_A_ROW, Queue};
use crate::{CallNumber, Conversation, Priority, SchedulingInfo, TenantKey, Waiting};

/// Whether a call goes into a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fits {
    Yes,
    /// It does not; another may.
    NotThis,
    /// The batch is full.
    Full,
}

/// Calls whose conversations are in the batch already, by priority.
#[derive(Default)]
struct Followers {
    interactive: VecDeque<CallNumber>,
    bulk: VecDeque<CallNumber>,
}

impl<J> Queue<J> {
    /// Takes at most `size` calls of the tenant for one batch, those of one conversation in their
    /// order, as long as `fits` wants more. Each priority gets its share. The calls of a
    /// conversation go together as far as possible, since those left behind wait for the end of
    /// the request; with `keep_whole` a conversation that does not fit as a whole is left to the
    /// next request.
    pub(crate) fn take_batch(
        &mut self,
        tenant: &TenantKey,
        size: usize,
        keep_whole: bool,
        mut fits: impl FnMut(&SchedulingInfo) -> Fits,
    ) -> Vec<Waiting<J>> {
        let mut taken = Vec::new();
        let (mut followers, mut later) = (Followers::default(), Followers::default());
        let mut in_batch = HashSet::default();
        let mut left_behind = Vec::new();
        let mut turn = self.interactive_in_a_row;
        // The calls of the conversation that is being taken.
        let mut in_a_row = 0;
        loop {
            let order = if turn >= INTERACTIVE_IN_A_ROW {
                [Priority::Bulk, Priority::Interactive]
            } else {
                [Priority::Interactive, Priority::Bulk]
            };
            if in_a_row >= size / 2 {
                // The others get the rest of the batch, if there are any.
                later.append(&mut followers);
            }
            let next = order.into_iter().find_map(|priority| {
                if let Some(follower) = followers.of(priority).pop_front() {
                    return Some((follower, priority, true));
                }
                if let Some(ready) = self.pop_ready(tenant, priority) {
                    return Some((ready, priority, false));
                }
                Some((later.of(priority).pop_front()?, priority, true))
            });
            let Some((number, priority, follows)) = next else {
                break;
            };
            let Some(info) = self.info(number) else {
                continue;
            };
            let line = self.longest_line(&info.conversations);
            let space = size.saturating_sub(taken.len());
            if keep_whole && !follows && !taken.is_empty() && (space + 1..=size).contains(&line) {
                left_behind.push(number);
                continue;
            }
            match fits(info) {
                Fits::Yes => {}
                Fits::NotThis => {
                    left_behind.push(number);
                    continue;
                }
                Fits::Full => {
                    left_behind.push(number);
                    break;
                }
            }
            let Some(waiting) = self.take(number) else {
                continue;
            };
            turn = match priority {
                Priority::Interactive => turn + 1,
                Priority::Bulk => 0,
            };
            in_a_row = if follows { in_a_row + 1 } else { 1 };
            in_batch.extend(waiting.info.conversations.iter().copied());
            self.follow(&waiting.info, &in_batch, &mut followers);
            taken.push(waiting);
        }
        for number in left_behind.into_iter().rev() {
            self.list(number, End::Front);
        }
        taken
    }

    /// Notes the calls that may go in the same batch now that `taken` is in it.
    fn follow(
        &self,
        taken: &SchedulingInfo,
        in_batch: &HashSet<Conversation>,
        followers: &mut Followers,
    ) {
        for next in self.lines.heads(&taken.conversations) {
            let (Some(info), Some(turn)) = (self.info(next), self.turn(next)) else {
                continue;
            };
            let may_follow = info.tenant == taken.tenant
                && info.not_before.is_none()
                && self.lines.may_follow(&info.conversations, next, in_batch);
            let list = followers.of(turn);
            if may_follow && !list.contains(&next) {
                list.push_front(next);
            }
        }
    }

    /// Takes the next ready call of the tenant off its list.
    fn pop_ready(&mut self, tenant: &TenantKey, priority: Priority) -> Option<CallNumber> {
        loop {
            let number = self.ready.pop_of(tenant, priority)?;
            let is_ready = self.is_ready(number, priority);
            self.unlist(number, priority);
            if is_ready {
                return Some(number);
            }
        }
    }
}

impl Followers {
    /// Moves those of `other` here.
    fn append(&mut self, other: &mut Self) {
        self.interactive.append(&mut other.interactive);
        self.bulk.append(&mut other.bulk);
    }

    fn of(&mut self, priority: Priority) -> &mut VecDeque<CallNumber> {
        match priority {
            Priority::Interactive => &mut self.interactive,
            Priority::Bulk => &mut self.bulk,
        }
    }
}
