//! The lists of ready calls, by priority and tenant.

use std::collections::VecDeque;

use foldhash::HashMap;

use crate::{CallNumber, Priority, TenantKey};

/// Calls that may be ready. Entries can be stale, so they are checked when taken.
#[derive(Debug, Default)]
pub(super) struct Ready {
    interactive: Class,
    bulk: Class,
}

#[derive(Debug, Default)]
struct Class {
    turns: VecDeque<TenantKey>,
    calls: HashMap<TenantKey, VecDeque<CallNumber>>,
}

/// The end of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Front,
    Back,
}

impl Ready {
    /// The first call of the tenant whose turn it is.
    pub(super) fn first(&mut self, priority: Priority) -> Option<CallNumber> {
        let class = self.class_mut(priority);
        loop {
            let tenant = class.turns.front()?;
            if let Some(first) = class.calls.get(tenant).and_then(VecDeque::front) {
                return Some(*first);
            }
            class.calls.remove(tenant);
            class.turns.pop_front();
        }
    }

    /// Takes the [first](Self::first) call off its list.
    pub(super) fn pop_first(&mut self, priority: Priority) -> Option<CallNumber> {
        let class = self.class_mut(priority);
        class.calls.get_mut(class.turns.front()?)?.pop_front()
    }

    /// Takes the first call of this tenant off its list.
    pub(super) fn pop_of(&mut self, tenant: &TenantKey, priority: Priority) -> Option<CallNumber> {
        self.class_mut(priority).calls.get_mut(tenant)?.pop_front()
    }

    pub(super) fn push(
        &mut self,
        tenant: &TenantKey,
        priority: Priority,
        number: CallNumber,
        end: End,
    ) {
        let class = self.class_mut(priority);
        if !class.calls.contains_key(tenant) {
            class.turns.push_back(tenant.clone());
        }
        let calls = class.calls.entry(tenant.clone()).or_default();
        match end {
            End::Front => calls.push_front(number),
            End::Back => calls.push_back(number),
        }
    }

    /// Ends the tenant's turn.
    pub(super) fn end_turn(&mut self, tenant: &TenantKey) {
        for class in [&mut self.interactive, &mut self.bulk] {
            if class.turns.front() == Some(tenant) {
                class.turns.rotate_left(1);
            }
        }
    }

    /// The tenants with how many calls they have in each list.
    pub(super) fn by_tenant(&self) -> impl Iterator<Item = (&TenantKey, usize)> {
        let calls = self.interactive.calls.iter().chain(&self.bulk.calls);
        calls.map(|(tenant, calls)| (tenant, calls.len()))
    }

    fn class_mut(&mut self, priority: Priority) -> &mut Class {
        match priority {
            Priority::Interactive => &mut self.interactive,
            Priority::Bulk => &mut self.bulk,
        }
    }
}
