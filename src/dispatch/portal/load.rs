//! What goes into one request.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::Portal;
use super::company::Company;
use crate::call::Conversation;
use crate::dispatch::operating::{BATCH, OperatingBudgets};
use crate::dispatch::pace::Pace;
use crate::dispatch::queue::{CallNumber, Fits, Terms};
use bitrix24::Method;

/// The part of the bucket that is kept for batches.
const KEPT_FOR_BATCHES: f64 = 0.25;

/// How many of the remaining places waiting calls may use up singly.
const FOR_SINGLE_CALLS: f64 = 0.6;

/// By how much calls in a hurry may shrink a batch: to the half. One with less time stays behind: under full load a request for a few calls costs
/// the others fifty places.
const SHRUNK: usize = 2;

/// The largest batch, in bytes of its commands. Ours: far below what web servers take.
const LARGEST_BYTES: usize = 4 * 1024 * 1024;

/// How the calls whose turn it is travel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Load {
    Single,
    Batch(Batch),
}

/// What may go into a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Batch {
    size: usize,
    /// Only calls of these conversations. `None`: of all.
    only: Option<Vec<Conversation>>,
    /// For how many calls each of them must have time.
    least: usize,
}

impl Batch {
    /// The same for calls in any hurry.
    pub(super) fn for_the_hurried(self) -> Self {
        Self { least: 1, ..self }
    }
}

impl Load {
    /// Whether it is a batch because there are many calls, and not because they follow each other in a conversation.
    pub(super) fn is_crowd(&self) -> bool {
        matches!(self, Self::Batch(batch) if batch.only.is_none())
    }
}

impl<J> Portal<J> {
    /// Decides between a single call and a batch. There are batches as room gets low or a burst goes on, and where calls of one conversation would have
    /// to wait for each other.
    pub(super) fn load(
        &self,
        first: CallNumber,
        room: f64,
        company: Company,
        now: Instant,
    ) -> Load {
        let Some(terms) = self.queue.terms(first) else {
            return Load::Single;
        };
        let is_refused = |until: Option<&Instant>| until.is_some_and(|until| *until > now);
        let size = self.batch_size(true);
        let limit = self.operating_limit();
        if size <= 1
            || terms.command_bytes.is_none()
            || is_refused(self.never_batched.get(&terms.method))
            || is_refused(self.tenants_without_batches.get(&terms.tenant))
            || self
                .operating
                .check(&terms.tenant, BATCH, limit, now)
                .is_err()
            || self.breaker.is_open()
        {
            return Load::Single;
        }
        let of_tenant = self.queue.of_tenant(&terms.tenant);
        if of_tenant > 1 && self.is_crowded(room, company, now) {
            return Load::Batch(Batch {
                size,
                only: None,
                least: size.min(of_tenant).div_ceil(SHRUNK),
            });
        }
        if self.queue.followers(first) > 0 {
            let only = Some(terms.conversations.clone());
            let least = 1;
            return Load::Batch(Batch { size, only, least });
        }
        Load::Single
    }

    /// Whether there is too little room for all that wait to go singly.
    pub(super) fn is_crowded(&self, room: f64, company: Company, now: Instant) -> bool {
        self.budget.part(now).is_some_and(|intensity| {
            let free = room - f64::from(intensity.burst) * KEPT_FOR_BATCHES;
            let singly = (free * FOR_SINGLE_CALLS).max(1.0);
            let waiting = u32::try_from(self.queue.len()).unwrap_or(u32::MAX);
            company == Company::Streaming || self.is_in_burst(now) || f64::from(waiting) > singly
        })
    }
}

/// A batch being loaded.
pub(super) struct Loading<'a> {
    pub(super) batch: Batch,
    pub(super) pace: &'a Pace,
    pub(super) operating: &'a mut OperatingBudgets,
    pub(super) never_batched: &'a HashMap<Method, Instant>,
    pub(super) limit: Option<Duration>,
    pub(super) now: Instant,
    pub(super) taken: usize,
    pub(super) bytes: usize,
    pub(super) earliest_deadline: Option<Instant>,
}

impl Loading<'_> {
    /// Whether this call goes too. If so, it is counted.
    pub(super) fn fits(&mut self, terms: &Terms) -> Fits {
        if self.taken >= self.batch.size {
            return Fits::Full;
        }
        let Some(bytes) = terms.command_bytes else {
            return Fits::NotThis;
        };
        let is_refused = self
            .never_batched
            .get(&terms.method)
            .is_some_and(|until| *until > self.now);
        let is_elsewhere = self.batch.only.as_ref().is_some_and(|only| {
            !terms
                .conversations
                .iter()
                .any(|conversation| only.contains(conversation))
        });
        if is_refused || is_elsewhere || terms.deadline <= self.now {
            return Fits::NotThis;
        }
        let method = terms.method.name();
        let charged = self.operating.charged(method);
        let checked = self
            .operating
            .check(&terms.tenant, charged, self.limit, self.now);
        if checked.is_err() {
            return Fits::NotThis;
        }
        let least = self.batch.least.max(self.taken + 1);
        if least > 1 && self.now + self.pace.expected(least) > terms.deadline {
            return Fits::NotThis;
        }
        // The first goes in any case: alone it would not be faster.
        if self.taken > 0 {
            if self.bytes + bytes > LARGEST_BYTES {
                return Fits::Full;
            }
            let deadline = self
                .earliest_deadline
                .map_or(terms.deadline, |earliest| earliest.min(terms.deadline));
            if self.now + self.pace.expected(self.taken + 1) > deadline {
                return Fits::NotThis;
            }
        }
        self.earliest_deadline = Some(
            self.earliest_deadline
                .map_or(terms.deadline, |earliest| earliest.min(terms.deadline)),
        );
        self.taken += 1;
        self.bytes += bytes;
        if self.limit.is_some() {
            self.operating.sent(&terms.tenant, method);
        }
        Fits::Yes
    }
}
