//! Taking the calls of one batch.

use std::collections::{HashSet, VecDeque};

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
    /// Takes calls of the tenant for one batch, those of one conversation in their order, as long
    /// as `fits` wants more. Each priority gets its share.
    pub(crate) fn take_batch(
        &mut self,
        tenant: &TenantKey,
        mut fits: impl FnMut(&SchedulingInfo) -> Fits,
    ) -> Vec<Waiting<J>> {
        let mut taken = Vec::new();
        let mut followers = Followers::default();
        let mut in_batch = HashSet::new();
        let mut left_behind = Vec::new();
        let mut turn = self.interactive_in_a_row;
        loop {
            let order = if turn >= INTERACTIVE_IN_A_ROW {
                [Priority::Bulk, Priority::Interactive]
            } else {
                [Priority::Interactive, Priority::Bulk]
            };
            let next = order.into_iter().find_map(|priority| {
                let ready = self.pop_ready(tenant, priority);
                let next = ready.or_else(|| followers.of(priority).pop_front())?;
                Some((next, priority))
            });
            let Some((number, priority)) = next else {
                break;
            };
            let Some(info) = self.info(number) else {
                continue;
            };
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
            let Some(info) = self.info(next) else {
                continue;
            };
            let may_follow = info.tenant == taken.tenant
                && info.not_before.is_none()
                && self.lines.may_follow(&info.conversations, next, in_batch);
            let list = followers.of(info.priority);
            if may_follow && !list.contains(&next) {
                list.push_back(next);
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
    fn of(&mut self, priority: Priority) -> &mut VecDeque<CallNumber> {
        match priority {
            Priority::Interactive => &mut self.interactive,
            Priority::Bulk => &mut self.bulk,
        }
    }
}
