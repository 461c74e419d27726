//! The calls that wait for one portal, and whose turn it is.
//!
//! A call is ready when it is the first of each of its conversations and none of them has a request
//! in flight. Ready interactive calls go before bulk, which gets every tenth turn. Within a
//! priority the tenants are served round-robin, and so are a tenant's conversations, because each
//! has at most one ready call.

mod batch;
mod lines;
mod ready;
mod rest;

use std::collections::BTreeSet;
use std::time::Instant;

use foldhash::HashMap;

pub(crate) use self::batch::Fits;
use self::lines::Lines;
use self::ready::{End, Ready};
use crate::{CallNumber, Conversation, Priority, SchedulingInfo, TenantKey, Waiting};

/// How many interactive calls go before a bulk call gets its turn.
const INTERACTIVE_IN_A_ROW: u32 = 9;

/// The weight of each sent call in the moving average of bulk's share.
const BY_EACH_CALL: f64 = 0.01;

/// The waiting calls of one portal.
#[derive(Debug)]
pub(crate) struct Queue<J> {
    waiting: HashMap<CallNumber, Waiting<J>>,
    lines: Lines,
    /// Calls that must not go before a moment, by that moment.
    delayed: BTreeSet<(Instant, CallNumber)>,
    ready: Ready,
    interactive_in_a_row: u32,
    /// The share of bulk among the calls that were sent lately.
    bulk_share: f64,
    bulk: usize,
    recorded: usize,
    /// Ready calls that are passed over until [`resume`](Self::resume).
    passed_over: Vec<CallNumber>,
    without_conversation: usize,
    by_tenant: HashMap<TenantKey, usize>,
    newest: Option<Instant>,
}

impl<J> Queue<J> {
    pub(crate) fn new() -> Self {
        Self {
            waiting: HashMap::default(),
            lines: Lines::default(),
            delayed: BTreeSet::new(),
            ready: Ready::default(),
            interactive_in_a_row: 0,
            bulk_share: 1.0,
            bulk: 0,
            recorded: 0,
            passed_over: Vec::new(),
            without_conversation: 0,
            by_tenant: HashMap::default(),
            newest: None,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How many calls could go side by side: those that wait behind others of their conversation
    /// do not count.
    pub(crate) fn side_by_side(&self) -> usize {
        self.len()
            .min(self.lines.with_waiting() + self.without_conversation)
    }

    /// How many calls would go before a new one of this priority.
    pub(crate) fn ahead(&self, priority: Priority) -> usize {
        let interactive = self.waiting.len() - self.bulk;
        match priority {
            Priority::Bulk => interactive + divided(self.bulk, self.bulk_share),
            Priority::Interactive => interactive + self.bulk.min(interactive / 9 + 1),
        }
    }

    /// How many calls wait in the longest of these conversations.
    pub(crate) fn longest_line(&self, conversations: &[Conversation]) -> usize {
        let lengths = conversations.iter().map(|line| self.lines.waiting(*line));
        lengths.max().unwrap_or_default()
    }

    /// The calls that wait in a conversation.
    pub(crate) fn waiting_in(
        &self,
        conversation: Conversation,
    ) -> impl Iterator<Item = CallNumber> {
        self.lines.before(conversation, CallNumber::MAX)
    }

    /// Whether one of these conversations has a call waiting or in flight.
    pub(crate) fn is_blocked(&self, conversations: &[Conversation]) -> bool {
        self.lines.has_any(conversations)
    }

    /// How many calls of the tenant wait.
    pub(crate) fn of_tenant(&self, tenant: &TenantKey) -> usize {
        self.by_tenant.get(tenant).copied().unwrap_or_default()
    }

    /// The tenants with ready calls, and at most how many these are.
    pub(crate) fn ready_by_tenant(&self) -> HashMap<&TenantKey, usize> {
        let mut ready = HashMap::default();
        for (tenant, calls) in self.ready.by_tenant() {
            // Some have been taken or cancelled since they were listed.
            let most = self.of_tenant(tenant);
            if most > 0 && calls > 0 {
                let known: &mut usize = ready.entry(tenant).or_default();
                *known = most.min(*known + calls);
            }
        }
        ready
    }

    /// How many tenants have calls here.
    pub(crate) fn tenants(&self) -> usize {
        self.by_tenant.len()
    }

    /// When the newest call arrived.
    pub(crate) fn newest(&self) -> Option<Instant> {
        self.newest
    }

    /// Queues a call by its number, before later ones of its conversations.
    pub(crate) fn push(&mut self, info: SchedulingInfo, job: J) {
        let newest = self.newest.map_or(info.arrived, |at| at.max(info.arrived));
        self.newest = Some(newest);
        self.insert(info, job, End::Back);
    }

    /// Puts a call back that was taken and not executed: before all that are not older.
    pub(crate) fn put_back(&mut self, info: SchedulingInfo, job: J) {
        self.insert(info, job, End::Front);
    }

    fn insert(&mut self, info: SchedulingInfo, job: J, end: End) {
        let number = info.number;
        if let Some(moment) = info.not_before {
            self.delayed.insert((moment, number));
        }
        if info.priority == Priority::Interactive {
            self.promote(&info.conversations, number);
        } else {
            self.bulk += 1;
        }
        self.recorded += usize::from(info.is_recorded);
        self.lines.push(&info.conversations, number);
        self.without_conversation += usize::from(info.conversations.is_empty());
        *self.by_tenant.entry(info.tenant.clone()).or_default() += 1;
        let waiting = Waiting {
            turn: info.priority,
            info,
            job,
            is_listed: false,
        };
        self.waiting.insert(number, waiting);
        self.list(number, end);
    }

    /// Calls that an interactive one has to wait for become interactive themselves.
    fn promote(&mut self, conversations: &[Conversation], number: CallNumber) {
        let before: Vec<CallNumber> = conversations
            .iter()
            .flat_map(|line| self.lines.before(*line, number))
            .collect();
        for number in before {
            if let Some(waiting) = self.waiting.get_mut(&number)
                && waiting.turn == Priority::Bulk
            {
                waiting.turn = Priority::Interactive;
                waiting.is_listed = false;
                self.bulk -= 1;
                self.list(number, End::Back);
            }
        }
    }

    /// Removes a call that was not sent.
    pub(crate) fn cancel(&mut self, number: CallNumber) -> Option<Waiting<J>> {
        let waiting = self.remove(number)?;
        for first in self.lines.cancel(&waiting.info.conversations, number) {
            self.list(first, End::Back);
        }
        Some(waiting)
    }

    /// Removes every call, in order of arrival.
    pub(crate) fn clear(&mut self) -> Vec<Waiting<J>> {
        let mut numbers: Vec<CallNumber> = self.waiting.keys().copied().collect();
        numbers.sort_unstable();
        let calls = numbers.into_iter();
        calls.filter_map(|number| self.cancel(number)).collect()
    }

    /// The moment at which the next delayed call may go.
    pub(crate) fn next_delayed(&self) -> Option<Instant> {
        self.delayed.first().map(|(moment, _)| *moment)
    }

    /// Releases delayed calls whose moment has come.
    pub(crate) fn wake(&mut self, now: Instant) {
        while let Some((moment, number)) = self.delayed.first().copied()
            && moment <= now
        {
            self.delayed.pop_first();
            if let Some(waiting) = self.waiting.get_mut(&number) {
                waiting.info.not_before = None;
            }
            self.list(number, End::Front);
        }
    }

    /// The call whose turn it is. It stays where it is.
    pub(crate) fn first(&mut self) -> Option<CallNumber> {
        let interactive = self.first_of(Priority::Interactive);
        let bulk = self.first_of(Priority::Bulk);
        if interactive.is_some() && self.interactive_in_a_row >= INTERACTIVE_IN_A_ROW {
            bulk.or(interactive)
        } else {
            interactive.or(bulk)
        }
    }

    fn first_of(&mut self, priority: Priority) -> Option<CallNumber> {
        loop {
            let number = self.ready.first(priority)?;
            if self.is_ready(number, priority) {
                return Some(number);
            }
            self.ready.pop_first(priority);
            self.unlist(number, priority);
        }
    }

    /// Passes over a call that is [first](Self::first), until [`resume`](Self::resume). False if it
    /// is not first.
    pub(crate) fn pass_over(&mut self, number: CallNumber) -> bool {
        let priority = self.info(number).map(|info| info.priority);
        let first = priority.filter(|priority| self.ready.first(*priority) == Some(number));
        let Some(priority) = first else {
            return false;
        };
        self.ready.pop_first(priority);
        self.unlist(number, priority);
        self.passed_over.push(number);
        true
    }

    /// Gives the calls that were passed over their places back.
    pub(crate) fn resume(&mut self) {
        for number in std::mem::take(&mut self.passed_over).into_iter().rev() {
            self.list(number, End::Front);
        }
    }

    /// Whether a call waits that is not recorded.
    pub(crate) fn has_unrecorded(&self) -> bool {
        self.waiting.len() > self.recorded
    }

    pub(crate) fn info(&self, number: CallNumber) -> Option<&SchedulingInfo> {
        self.waiting.get(&number).map(|waiting| &waiting.info)
    }

    /// The priority that a call is served with.
    fn turn(&self, number: CallNumber) -> Option<Priority> {
        self.waiting.get(&number).map(|waiting| waiting.turn)
    }

    /// How many calls follow directly in the call's conversations.
    pub(crate) fn followers(&self, number: CallNumber) -> usize {
        let info = self.info(number);
        info.map_or(0, |info| {
            self.longest_line(&info.conversations).saturating_sub(1)
        })
    }

    /// Takes a call to be sent: its conversations are in flight until [`complete`](Self::complete).
    pub(crate) fn take(&mut self, number: CallNumber) -> Option<Waiting<J>> {
        let waiting = self.remove(number)?;
        self.lines.send(&waiting.info.conversations, number);
        let is_bulk = match waiting.turn {
            Priority::Interactive => {
                self.interactive_in_a_row += 1;
                0.0
            }
            Priority::Bulk => {
                self.interactive_in_a_row = 0;
                1.0
            }
        };
        self.bulk_share += (is_bulk - self.bulk_share) * BY_EACH_CALL;
        Some(waiting)
    }

    /// Ends the tenant's turn.
    pub(crate) fn end_turn(&mut self, tenant: &TenantKey) {
        self.ready.end_turn(tenant);
    }

    /// The requests of these conversations have completed: the next calls may go.
    pub(crate) fn complete(&mut self, conversations: &[Conversation]) {
        for first in self.lines.complete(conversations) {
            self.list(first, End::Back);
        }
    }

    fn remove(&mut self, number: CallNumber) -> Option<Waiting<J>> {
        let waiting = self.waiting.remove(&number)?;
        if let Some(moment) = waiting.info.not_before {
            self.delayed.remove(&(moment, number));
        }
        if waiting.turn == Priority::Bulk {
            self.bulk -= 1;
        }
        self.recorded -= usize::from(waiting.info.is_recorded);
        self.without_conversation -= usize::from(waiting.info.conversations.is_empty());
        if let Some(count) = self.by_tenant.get_mut(&waiting.info.tenant) {
            *count -= 1;
            if *count == 0 {
                self.by_tenant.remove(&waiting.info.tenant);
            }
        }
        if self.waiting.is_empty() {
            self.newest = None;
            self.ready = Ready::default();
            self.passed_over.clear();
        }
        Some(waiting)
    }

    fn is_ready(&self, number: CallNumber, priority: Priority) -> bool {
        self.waiting.get(&number).is_some_and(|waiting| {
            waiting.turn == priority
                && waiting.info.not_before.is_none()
                && self.lines.is_first(&waiting.info.conversations, number)
        })
    }

    /// Lists a call among the ready ones, if it is ready.
    fn list(&mut self, number: CallNumber, end: End) {
        let Some(turn) = self.turn(number) else {
            return;
        };
        let is_ready = self.is_ready(number, turn);
        if let Some(waiting) = self.waiting.get_mut(&number)
            && is_ready
            && !waiting.is_listed
        {
            waiting.is_listed = true;
            self.ready.push(&waiting.info.tenant, turn, number, end);
        }
    }

    /// A call was taken off the list of this priority.
    fn unlist(&mut self, number: CallNumber, priority: Priority) {
        if let Some(waiting) = self.waiting.get_mut(&number)
            && waiting.turn == priority
        {
            waiting.is_listed = false;
        }
    }

    /// The calls by their numbers.
    #[cfg(test)]
    pub(crate) fn numbers(&self) -> std::collections::BTreeMap<CallNumber, Priority> {
        self.waiting
            .iter()
            .map(|(number, waiting)| (*number, waiting.turn))
            .collect()
    }
}

/// How many calls go until this many of bulk have gone, if bulk keeps its share.
fn divided(bulk: usize, share: f64) -> usize {
    let least = 1.0 / f64::from(INTERACTIVE_IN_A_ROW + 1);
    let percent = (share.clamp(least, 1.0) * 100.0).round();
    // In whole percent: one call more or less does not matter here.
    let percent = (1..=100_u32).rev().find(|each| f64::from(*each) <= percent);
    bulk * 100 / usize::try_from(percent.unwrap_or(10)).unwrap_or(100)
}

#[cfg(test)]
mod tests;
