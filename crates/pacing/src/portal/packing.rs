//! What goes into one request.

use std::time::{Duration, Instant};

use foldhash::HashMap;

use super::gathering::Linger;
use super::state::Portal;
use crate::latency::LatencyEstimate;
use crate::operating::{BATCH, OperatingBudgets};
use crate::queue::Fits;
use crate::{CallNumber, Conversations, SchedulingInfo, TenantKey};

/// The part of the bucket that is kept for batches.
const KEPT_FOR_BATCHES: f64 = 0.25;

/// The part of the remaining requests that waiting calls may use singly.
const FOR_SINGLE_CALLS: f64 = 0.6;

/// By how much calls with little time may shrink a batch: to the half. A call with less time is
/// left behind: under full load, a request for a few calls takes fifty calls' places.
const SHRUNK: usize = 2;

/// The largest batch, in bytes of its commands. Our own bound: far below what web servers accept.
const LARGEST_BYTES: usize = 4 * 1024 * 1024;

/// How the next calls are packed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    Single,
    Batch(Batch),
}

/// What may go into a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Batch {
    size: usize,
    /// Only calls of these conversations. `None`: of all.
    only: Option<Conversations>,
    /// Each call must have time for a batch of this many calls.
    least: usize,
    /// Whether its calls are recorded before they are sent: either all or none.
    is_recorded: bool,
    /// Whether another request can go beside it: then no conversation is split between the two.
    pub(super) keeps_conversations_whole: bool,
}

impl Batch {
    /// The same for calls with little time.
    pub(super) fn for_the_hurried(self) -> Self {
        Self { least: 1, ..self }
    }

    pub(super) fn size(&self) -> usize {
        self.size
    }
}

impl Packing {
    /// Whether it is a batch because there are many calls, and not because they follow each other
    /// in a conversation.
    pub(super) fn is_burst(&self) -> bool {
        matches!(self, Self::Batch(batch) if batch.only.is_none())
    }
}

impl<J> Portal<J> {
    /// Decides between a single call and a batch. Calls are batched when room gets low, during a
    /// burst, and where calls of one conversation would wait for each other.
    pub(super) fn packing(
        &self,
        first: CallNumber,
        room: f64,
        linger: Linger,
        now: Instant,
    ) -> Packing {
        let Some(info) = self.queue.info(first) else {
            return Packing::Single;
        };
        let size = self.scouted_batch(self.scouting(info, now));
        let keeps_conversations_whole = room >= 2.0;
        if size <= 1 || !self.may_be_batched(info, now) {
            return Packing::Single;
        }
        let of_tenant = self.queue.of_tenant(&info.tenant);
        if of_tenant > 1 && self.is_crowded(room, linger, now) {
            return Packing::Batch(Batch {
                size,
                only: None,
                least: size.min(of_tenant).div_ceil(SHRUNK),
                is_recorded: info.is_recorded,
                keeps_conversations_whole,
            });
        }
        if self.queue.followers(first) > 0 {
            let only = Some(info.conversations.clone());
            return Packing::Batch(Batch {
                size,
                only,
                least: 1,
                is_recorded: info.is_recorded,
                keeps_conversations_whole,
            });
        }
        Packing::Single
    }

    /// Whether the portal takes the call in a batch now, as far as known.
    pub(super) fn may_be_batched(&self, info: &SchedulingInfo, now: Instant) -> bool {
        let is_rejected = |until: Option<&Instant>| until.is_some_and(|until| *until > now);
        info.command_bytes.is_some()
            && self.limits.batch_calls > 1
            && !is_rejected(self.never_batched.get(info.method))
            && !is_rejected(self.tenants_without_batches.get(&info.tenant))
            && self.check_operating(&info.tenant, BATCH, now).is_ok()
            && !self.breaker.is_open()
    }

    /// Whether there is too little room for all waiting calls to go singly.
    pub(super) fn is_crowded(&self, room: f64, linger: Linger, now: Instant) -> bool {
        self.budget.part(now).is_some_and(|limit| {
            let free = room - f64::from(limit.burst) * KEPT_FOR_BATCHES;
            let singly = (free * FOR_SINGLE_CALLS).max(1.0);
            let waiting = u32::try_from(self.queue.len()).unwrap_or(u32::MAX);
            linger == Linger::Streaming || self.is_in_burst(now) || f64::from(waiting) > singly
        })
    }
}

/// A batch being filled.
pub(super) struct Filling<'a> {
    pub(super) batch: Batch,
    pub(super) latency: &'a LatencyEstimate,
    pub(super) operating: &'a mut OperatingBudgets,
    pub(super) never_batched: &'a HashMap<&'static str, Instant>,
    pub(super) limit: Option<Duration>,
    /// Whose operating budget it is, if all tenants share one.
    pub(super) all_tenants: Option<&'a TenantKey>,
    pub(super) now: Instant,
    pub(super) taken: usize,
    pub(super) bytes: usize,
    pub(super) earliest_deadline: Option<Instant>,
}

impl Filling<'_> {
    /// Whether this call goes too. If so, it is counted.
    pub(super) fn fits(&mut self, info: &SchedulingInfo) -> Fits {
        if self.taken >= self.batch.size {
            return Fits::Full;
        }
        let Some(bytes) = info.command_bytes else {
            return Fits::NotThis;
        };
        let never_batched = self.never_batched.get(info.method);
        let is_rejected = never_batched.is_some_and(|until| *until > self.now);
        let is_elsewhere = self.batch.only.as_ref().is_some_and(|only| {
            let mut conversations = info.conversations.iter();
            !conversations.any(|conversation| only.contains(conversation))
        });
        let is_apart = info.is_recorded != self.batch.is_recorded;
        if is_rejected || is_elsewhere || is_apart || info.deadline <= self.now {
            return Fits::NotThis;
        }
        let key = self.all_tenants.unwrap_or(&info.tenant);
        let charged = self.operating.charged(info.method);
        let checked = self.operating.check(key, charged, self.limit, self.now);
        if checked.is_err() {
            return Fits::NotThis;
        }
        let least = self.batch.least.max(self.taken + 1);
        if least > 1 && self.now + self.latency.within(least) > info.deadline {
            return Fits::NotThis;
        }
        let earliest = self.earliest_deadline;
        let deadline = earliest.map_or(info.deadline, |earliest| earliest.min(info.deadline));
        // The first goes in any case: it would not be faster in a request of its own.
        if self.taken > 0 {
            if self.bytes + bytes > LARGEST_BYTES {
                return Fits::Full;
            }
            if self.now + self.latency.within(self.taken + 1) > deadline {
                return Fits::NotThis;
            }
        }
        self.earliest_deadline = Some(deadline);
        self.taken += 1;
        self.bytes += bytes;
        self.operating.sent(key, info.method, self.now);
        self.operating.sent(key, BATCH, self.now);
        Fits::Yes
    }
}
