//! The calls that wait for one portal, and whose turn it is.
//!
//! A call is ready when it is the first of each of its conversations and none of them is in the air. Among ready calls interactive ones
//! go before bulk, which gets every tenth turn; within a class the tenants take turns, and so do a tenant's conversations, because
//! each has at most one ready call.

mod line;

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use tokio::time::Instant;

use self::line::Lines;
use crate::call::{Conversation, Priority};
use bitrix24::Method;
use bitrix24::TenantId;

/// How many interactive calls go before a bulk call gets its turn.
const INTERACTIVE_IN_A_ROW: u32 = 9;

/// How much of the share of bulk each call that is sent tells.
const BY_EACH_CALL: f64 = 0.01;

/// A call's place in the order of arrival, and its name: its number of arrival, and a number of our own that makes it unique.
pub(super) type CallNumber = u128;

/// What decides when a waiting call goes.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub(super) number: CallNumber,
    pub(super) tenant: TenantId,
    pub(super) method: Method,
    pub(super) conversations: Vec<Conversation>,
    pub(super) priority: Priority,
    pub(super) deadline: Instant,
    /// When it came.
    pub(super) arrived: Instant,
    /// Not before this moment: it is a repeat.
    pub(super) not_before: Option<Instant>,
    /// What it adds to a batch, in bytes; `None` if it has to travel alone.
    pub(super) command_bytes: Option<usize>,
}

/// A waiting call with what it carries.
#[derive(Debug)]
pub(super) struct Waiting<J> {
    pub(super) terms: Terms,
    pub(super) job: J,
    /// Whether it stands in a list of ready calls.
    is_listed: bool,
}

/// The waiting calls of one portal.
#[derive(Debug)]
pub(super) struct Queue<J> {
    waiting: HashMap<CallNumber, Waiting<J>>,
    lines: Lines,
    /// Calls that wait for a moment, by that moment.
    delayed: BTreeSet<(Instant, CallNumber)>,
    ready: [Class; 2],
    interactive_in_a_row: u32,
    /// The part of bulk among the calls that were sent lately.
    bulk_share: f64,
    bulk: usize,
    by_tenant: HashMap<TenantId, usize>,
    newest: Option<Instant>,
}

/// The ready calls of one priority. Entries may be out of date: whoever takes one looks.
#[derive(Debug, Default)]
struct Class {
    turns: VecDeque<TenantId>,
    calls: HashMap<TenantId, VecDeque<CallNumber>>,
}

impl<J> Queue<J> {
    pub(super) fn new() -> Self {
        Self {
            waiting: HashMap::new(),
            lines: Lines::default(),
            delayed: BTreeSet::new(),
            ready: Default::default(),
            interactive_in_a_row: 0,
            bulk_share: 1.0,
            bulk: 0,
            by_tenant: HashMap::new(),
            newest: None,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How many calls would go before a new one of this priority.
    pub(super) fn ahead(&self, priority: Priority) -> usize {
        let interactive = self.waiting.len() - self.bulk;
        match priority {
            Priority::Bulk => interactive + divided(self.bulk, self.bulk_share),
            Priority::Interactive => interactive + self.bulk.min(interactive / 9 + 1),
        }
    }

    /// How many calls wait in the longest of these conversations.
    pub(super) fn longest_line(&self, conversations: &[Conversation]) -> usize {
        let lengths = conversations.iter().map(|line| self.lines.waiting(*line));
        lengths.max().unwrap_or_default()
    }

    /// Whether somebody of one of these conversations waits or is in the air.
    pub(super) fn is_blocked(&self, conversations: &[Conversation]) -> bool {
        self.lines.has_any(conversations)
    }

    /// How many calls of the tenant wait.
    pub(super) fn of_tenant(&self, tenant: &TenantId) -> usize {
        self.by_tenant.get(tenant).copied().unwrap_or_default()
    }

    /// The tenants with calls that need not wait for others, and at most how many these are.
    pub(super) fn ready_by_tenant(&self) -> HashMap<&TenantId, usize> {
        let mut ready = HashMap::new();
        let listed = self.ready.iter().flat_map(|class| &class.calls);
        for (tenant, calls) in listed {
            // Some have been taken or cancelled since they were listed.
            let most = self.of_tenant(tenant);
            if most > 0 && !calls.is_empty() {
                let known: &mut usize = ready.entry(tenant).or_default();
                *known = most.min(*known + calls.len());
            }
        }
        ready
    }

    /// How many tenants have calls here.
    pub(super) fn tenants(&self) -> usize {
        self.by_tenant.len()
    }

    /// When the newest call came.
    pub(super) fn newest(&self) -> Option<Instant> {
        self.newest
    }

    /// Puts a call at its place. One with a smaller number goes before those of its conversations that came to us sooner.
    pub(super) fn push(&mut self, terms: Terms, job: J) {
        self.newest = Some(
            self.newest
                .map_or(terms.arrived, |at| at.max(terms.arrived)),
        );
        self.insert(terms, job, End::Back);
    }

    /// Puts a call back that was taken and not sent, or not executed: before everything that is not older.
    pub(super) fn put_back(&mut self, terms: Terms, job: J) {
        self.insert(terms, job, End::Front);
    }

    fn insert(&mut self, terms: Terms, job: J, end: End) {
        let number = terms.number;
        if let Some(moment) = terms.not_before {
            self.delayed.insert((moment, number));
        }
        if terms.priority == Priority::Interactive {
            self.promote(&terms.conversations, number);
        } else {
            self.bulk += 1;
        }
        self.lines.join(&terms.conversations, number);
        match self.by_tenant.get_mut(&terms.tenant) {
            Some(count) => *count += 1,
            None => {
                self.by_tenant.insert(terms.tenant.clone(), 1);
            }
        }
        let waiting = Waiting {
            terms,
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
                && waiting.terms.priority == Priority::Bulk
            {
                waiting.terms.priority = Priority::Interactive;
                waiting.is_listed = false;
                self.bulk -= 1;
                self.list(number, End::Back);
            }
        }
    }

    /// Takes a call out that nobody waits for any more.
    pub(super) fn cancel(&mut self, number: CallNumber) -> Option<Waiting<J>> {
        let waiting = self.remove(number)?;
        for first in self.lines.leave(&waiting.terms.conversations, number) {
            self.list(first, End::Back);
        }
        Some(waiting)
    }

    /// Takes every call out, for example because none of them can be sent.
    pub(super) fn clear(&mut self) -> Vec<Waiting<J>> {
        let mut numbers: Vec<CallNumber> = self.waiting.keys().copied().collect();
        numbers.sort_unstable();
        numbers
            .into_iter()
            .filter_map(|number| self.cancel(number))
            .collect()
    }

    /// The moment at which the next delayed call may go.
    pub(super) fn next_delayed(&self) -> Option<Instant> {
        self.delayed.first().map(|(moment, _)| *moment)
    }

    /// Lets delayed calls go whose moment has come.
    pub(super) fn wake(&mut self, now: Instant) {
        while let Some((moment, number)) = self.delayed.first().copied()
            && moment <= now
        {
            self.delayed.pop_first();
            if let Some(waiting) = self.waiting.get_mut(&number) {
                waiting.terms.not_before = None;
            }
            self.list(number, End::Front);
        }
    }

    /// The call whose turn it is. It stays where it is.
    pub(super) fn first(&mut self) -> Option<CallNumber> {
        let [interactive, bulk] =
            [Priority::Interactive, Priority::Bulk].map(|priority| self.first_of(priority));
        match (interactive, bulk) {
            (Some(_), Some(bulk)) if self.interactive_in_a_row >= INTERACTIVE_IN_A_ROW => {
                Some(bulk)
            }
            (interactive, bulk) => interactive.or(bulk),
        }
    }

    fn first_of(&mut self, priority: Priority) -> Option<CallNumber> {
        loop {
            let class = self.ready.get_mut(index(priority))?;
            let tenant = class.turns.front()?.clone();
            let calls = class.calls.entry(tenant).or_default();
            let Some(number) = calls.front().copied() else {
                let tenant = class.turns.pop_front()?;
                class.calls.remove(&tenant);
                continue;
            };
            if self.is_ready(number, priority) {
                return Some(number);
            }
            let class = self.ready.get_mut(index(priority))?;
            let tenant = class.turns.front()?;
            class.calls.get_mut(tenant)?.pop_front();
            if let Some(waiting) = self.waiting.get_mut(&number)
                && waiting.terms.priority == priority
            {
                waiting.is_listed = false;
            }
        }
    }

    pub(super) fn terms(&self, number: CallNumber) -> Option<&Terms> {
        self.waiting.get(&number).map(|waiting| &waiting.terms)
    }

    /// How many calls follow directly in the call's conversations.
    pub(super) fn followers(&self, number: CallNumber) -> usize {
        let conversations = self
            .terms(number)
            .map(|terms| terms.conversations.as_slice())
            .unwrap_or_default();
        self.longest_line(conversations).saturating_sub(1)
    }

    /// Takes a call that is to be sent: its conversations are in the air until they [land](Self::land).
    pub(super) fn take(&mut self, number: CallNumber) -> Option<Waiting<J>> {
        let waiting = self.remove(number)?;
        self.lines.depart(&waiting.terms.conversations, number);
        let is_bulk = match waiting.terms.priority {
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

    /// The tenant has had its turn.
    pub(super) fn turn(&mut self, tenant: &TenantId) {
        for class in &mut self.ready {
            if class.turns.front() == Some(tenant)
                && let Some(tenant) = class.turns.pop_front()
            {
                class.turns.push_back(tenant);
            }
        }
    }

    /// Takes calls of the tenant for one batch, those of one conversation in their order, as long as `fits` wants more. Each class
    /// gets its share.
    pub(super) fn take_batch(
        &mut self,
        tenant: &TenantId,
        mut fits: impl FnMut(&Terms) -> Fits,
    ) -> Vec<Waiting<J>> {
        let mut taken = Vec::new();
        let mut followers: [VecDeque<CallNumber>; 2] = Default::default();
        let mut on_board = HashSet::new();
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
                let next = ready.or_else(|| followers.get_mut(index(priority))?.pop_front())?;
                Some((next, priority))
            });
            let Some((number, priority)) = next else {
                break;
            };
            let Some(terms) = self.terms(number) else {
                continue;
            };
            match fits(terms) {
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
            on_board.extend(waiting.terms.conversations.iter().copied());
            for next in self.lines.heads(&waiting.terms.conversations) {
                let Some(next_terms) = self.terms(next) else {
                    continue;
                };
                let may_follow = next_terms.tenant == *tenant
                    && next_terms.not_before.is_none()
                    && self
                        .lines
                        .may_follow(&next_terms.conversations, next, &on_board);
                if may_follow
                    && let Some(list) = followers.get_mut(index(next_terms.priority))
                    && !list.contains(&next)
                {
                    list.push_back(next);
                }
            }
            taken.push(waiting);
        }
        for number in left_behind.into_iter().rev() {
            self.list(number, End::Front);
        }
        // Calls of one conversation were taken in its order; among the others the order says nothing.
        taken
    }

    /// The next ready call of the tenant, taken off its list.
    fn pop_ready(&mut self, tenant: &TenantId, priority: Priority) -> Option<CallNumber> {
        loop {
            let class = self.ready.get_mut(index(priority))?;
            let number = class.calls.get_mut(tenant)?.pop_front()?;
            let is_ready = self.is_ready(number, priority);
            if let Some(waiting) = self.waiting.get_mut(&number)
                && waiting.terms.priority == priority
            {
                waiting.is_listed = false;
            }
            if is_ready {
                return Some(number);
            }
        }
    }

    /// What was in the air has come down: those behind it may go.
    pub(super) fn land(&mut self, conversations: &[Conversation]) {
        for first in self.lines.land(conversations) {
            self.list(first, End::Back);
        }
    }

    fn remove(&mut self, number: CallNumber) -> Option<Waiting<J>> {
        let waiting = self.waiting.remove(&number)?;
        if let Some(moment) = waiting.terms.not_before {
            self.delayed.remove(&(moment, number));
        }
        if waiting.terms.priority == Priority::Bulk {
            self.bulk -= 1;
        }
        if let Some(count) = self.by_tenant.get_mut(&waiting.terms.tenant) {
            *count -= 1;
            if *count == 0 {
                self.by_tenant.remove(&waiting.terms.tenant);
            }
        }
        if self.waiting.is_empty() {
            self.newest = None;
            self.ready = Default::default();
        }
        Some(waiting)
    }

    fn is_ready(&self, number: CallNumber, priority: Priority) -> bool {
        self.waiting.get(&number).is_some_and(|waiting| {
            waiting.terms.priority == priority
                && waiting.terms.not_before.is_none()
                && self.lines.is_first(&waiting.terms.conversations, number)
        })
    }

    /// Lists a call among the ready ones, if it is ready.
    fn list(&mut self, number: CallNumber, end: End) {
        let Some(waiting) = self.waiting.get(&number) else {
            return;
        };
        let priority = waiting.terms.priority;
        if waiting.is_listed || !self.is_ready(number, priority) {
            return;
        }
        let Some(waiting) = self.waiting.get_mut(&number) else {
            return;
        };
        waiting.is_listed = true;
        let tenant = &waiting.terms.tenant;
        let Some(class) = self.ready.get_mut(index(priority)) else {
            return;
        };
        let calls = match class.calls.get_mut(tenant) {
            Some(calls) => calls,
            None => {
                class.turns.push_back(tenant.clone());
                class.calls.entry(tenant.clone()).or_default()
            }
        };
        match end {
            End::Front => calls.push_front(number),
            End::Back => calls.push_back(number),
        }
    }

    /// The calls by their numbers, for those who look for one.
    #[cfg(test)]
    pub(super) fn numbers(&self) -> std::collections::BTreeMap<CallNumber, Priority> {
        self.waiting
            .iter()
            .map(|(number, waiting)| (*number, waiting.terms.priority))
            .collect()
    }
}

/// How many calls go until so many of bulk have gone, if they keep their share.
fn divided(bulk: usize, share: f64) -> usize {
    let least = 1.0 / f64::from(INTERACTIVE_IN_A_ROW + 1);
    let percent = (share.clamp(least, 1.0) * 100.0).round();
    // Whole numbers: one call more or less is nothing here.
    let percent = (1..=100_u32).rev().find(|each| f64::from(*each) <= percent);
    bulk * 100 / usize::try_from(percent.unwrap_or(10)).unwrap_or(100)
}

/// Whether a call goes into a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fits {
    Yes,
    /// It does not; another may.
    NotThis,
    /// Nothing does any more.
    Full,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Front,
    Back,
}

fn index(priority: Priority) -> usize {
    match priority {
        Priority::Interactive => 0,
        Priority::Bulk => 1,
    }
}

#[cfg(test)]
mod tests;
