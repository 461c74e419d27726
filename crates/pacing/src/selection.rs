//! Calls that form the next request, before they have a permit.

use crate::{CallNumber, Conversations, SchedulingInfo, TenantKey, Waiting};

/// One or more calls of a tenant that go in one request as soon as they are prepared. Only
/// [`Portal::next`](crate::Portal::next) makes it; it must be given back to
/// [`Portal::prepared`](crate::Portal::prepared), also without calls. Meanwhile the conversations
/// of its calls wait.
#[derive(Debug)]
pub struct Selection<J> {
    pub(crate) calls: Vec<Waiting<J>>,
    pub(crate) conversations: Conversations,
    pub(crate) is_recorded: bool,
    /// Whether it was put together as a batch, however many of its calls are left.
    pub(crate) is_batch: bool,
    /// The calls that were taken out and not accounted for.
    pub(crate) removed: Vec<(TenantKey, &'static str)>,
}

impl<J> Selection<J> {
    pub(crate) fn of(calls: Vec<Waiting<J>>) -> Self {
        let mut conversations: Conversations = calls
            .iter()
            .flat_map(|call| call.info.conversations.iter().copied())
            .collect();
        if conversations.len() > 1 {
            conversations.sort_unstable();
            conversations.dedup();
        }
        Self {
            is_recorded: calls.iter().any(|call| call.info.is_recorded),
            is_batch: calls.len() > 1,
            calls,
            conversations,
            removed: Vec::new(),
        }
    }

    /// Whether the starts of its calls are to be recorded: of all, or of none.
    pub fn is_recorded(&self) -> bool {
        self.is_recorded
    }

    /// The number of its call, if it has only one.
    pub fn only(&self) -> Option<CallNumber> {
        match &*self.calls {
            [only] => Some(only.info.number),
            _ => None,
        }
    }

    /// The payloads of its calls, in their order of execution.
    pub fn jobs(&self) -> impl Iterator<Item = &J> {
        self.calls.iter().map(|call| &call.job)
    }

    /// The same, to be changed.
    pub fn jobs_mut(&mut self) -> impl Iterator<Item = &mut J> {
        self.calls.iter_mut().map(|call| &mut call.job)
    }

    /// What decides the turn of its calls, in their order of execution.
    pub fn infos(&self) -> impl Iterator<Item = &SchedulingInfo> {
        self.calls.iter().map(|call| &call.info)
    }

    /// Takes those calls out that will not be sent.
    pub fn take_out(&mut self, leaves: impl FnMut(&Waiting<J>) -> bool) -> Vec<Waiting<J>> {
        let mut leaves = leaves;
        let left = self.calls.extract_if(.., |call| leaves(call));
        let left: Vec<_> = left.collect();
        let removed = left
            .iter()
            .map(|call| (call.info.tenant.clone(), call.info.method));
        self.removed.extend(removed);
        left
    }
}
