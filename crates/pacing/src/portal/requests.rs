//! The requests that have a permit, until their conversations are released.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use foldhash::HashMap;

use crate::{Conversation, Conversations, RequestNumber, Selection, TenantKey, Waiting};

/// The shortest time after which a request is overdue, if it is known how long requests take.
const SHORTEST_OVERDUE: Duration = Duration::from_secs(1);

/// The same as long as that is not known.
const UNMEASURED_OVERDUE: Duration = Duration::from_secs(2);

/// The shortest time after which an overdue request counts as a failure of the portal.
const SHORTEST_SILENT: Duration = Duration::from_secs(5);

/// How many times as long as expected a request takes before it is overdue: a portal under load
/// becomes several times slower and still answers.
const TIMES_EXPECTED: u32 = 4;

#[derive(Debug, Default)]
pub(super) struct Requests {
    all: HashMap<RequestNumber, Request>,
    /// What to look at, and when.
    checks: BTreeSet<(Instant, RequestNumber)>,
    /// Overdue requests, in the order of their departure.
    overdue: BTreeSet<(Instant, RequestNumber)>,
    /// Requests that have a permit and have not completed.
    in_flight: usize,
    last: RequestNumber,
}

#[derive(Debug)]
struct Request {
    calls: Vec<(TenantKey, &'static str)>,
    conversations: Conversations,
    /// Whether it was put together as a batch, however many of its calls are left.
    is_batch: bool,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Permitted,
    Departed {
        at: Instant,
        /// When it is looked at next.
        check: Instant,
        silent_from: Instant,
        is_overdue: bool,
        is_silent: bool,
    },
    Completed,
}

/// A request that has completed.
#[derive(Debug)]
pub(super) struct CompletedRequest {
    pub(super) calls: Vec<(TenantKey, &'static str)>,
    pub(super) is_batch: bool,
    /// Whether its silence was counted as a failure already.
    pub(super) was_silent: bool,
}

/// A request that has become overdue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LateRequest {
    /// How many conversations it holds.
    pub conversations: usize,
    /// How much longer it holds them at most.
    pub held_for: Duration,
}

/// What became of a request that was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lateness {
    Overdue,
    Silent,
}

impl Requests {
    /// The prepared calls have got a permit.
    pub(super) fn permit<J>(&mut self, prepared: Selection<J>) -> (Vec<Waiting<J>>, RequestNumber) {
        let Selection {
            calls,
            conversations,
            is_batch,
            is_recorded: _,
            removed: _,
        } = prepared;
        let of_calls = calls
            .iter()
            .map(|call| (call.info.tenant.clone(), call.info.method));
        let request = Request {
            calls: of_calls.collect(),
            conversations,
            is_batch,
            stage: Stage::Permitted,
        };
        self.last += 1;
        self.in_flight += 1;
        self.all.insert(self.last, request);
        (calls, self.last)
    }

    /// These calls of a request are not sent after all. Returns whether it is a batch.
    pub(super) fn leave_out(
        &mut self,
        number: RequestNumber,
        calls: &[(TenantKey, &'static str)],
    ) -> bool {
        let Some(request) = self.all.get_mut(&number) else {
            return false;
        };
        for left_out in calls {
            let place = request.calls.iter().position(|call| call == left_out);
            if let Some(place) = place {
                request.calls.swap_remove(place);
            }
        }
        request.is_batch
    }

    /// When the first of those in flight was sent.
    pub(super) fn first_sent(&self) -> Option<Instant> {
        let sent = self.all.values().filter_map(|request| match request.stage {
            Stage::Departed { at, .. } => Some(at),
            Stage::Permitted | Stage::Completed => None,
        });
        sent.min()
    }

    /// A request was sent. `expected` is how long it should take, if that is known.
    pub(super) fn sent(&mut self, number: RequestNumber, expected: Option<Duration>, now: Instant) {
        let Some(request) = self.all.get_mut(&number) else {
            return;
        };
        if request.stage != Stage::Permitted {
            return;
        }
        let overdue_after = match expected {
            Some(expected) => (expected * TIMES_EXPECTED).max(SHORTEST_OVERDUE),
            None => UNMEASURED_OVERDUE,
        };
        request.stage = Stage::Departed {
            at: now,
            check: now + overdue_after,
            silent_from: now + overdue_after.max(SHORTEST_SILENT),
            is_overdue: false,
            is_silent: false,
        };
        self.checks.insert((now + overdue_after, number));
    }

    /// When to look at the requests again.
    pub(super) fn next_check(&self) -> Option<Instant> {
        self.checks.first().map(|(moment, _)| *moment)
    }

    /// The next request that has become overdue or silent by now.
    pub(super) fn next_late(&mut self, now: Instant) -> Option<(RequestNumber, Lateness)> {
        loop {
            let (moment, number) = self.checks.first().copied()?;
            if moment > now {
                return None;
            }
            self.checks.pop_first();
            let stage = self.all.get_mut(&number).map(|request| &mut request.stage);
            let Some(Stage::Departed {
                at,
                check,
                silent_from,
                is_overdue,
                is_silent,
            }) = stage
            else {
                continue;
            };
            if *is_overdue {
                *is_silent = true;
                return Some((number, Lateness::Silent));
            }
            *is_overdue = true;
            *check = *silent_from;
            self.overdue.insert((*at, number));
            self.checks.insert((*check, number));
            return Some((number, Lateness::Overdue));
        }
    }

    /// A request has ended. `None`: it had ended before.
    pub(super) fn complete(&mut self, number: RequestNumber) -> Option<CompletedRequest> {
        let request = self.all.get_mut(&number)?;
        let was_silent = match request.stage {
            Stage::Completed => return None,
            Stage::Permitted => false,
            Stage::Departed {
                at,
                check,
                is_silent,
                ..
            } => {
                self.overdue.remove(&(at, number));
                self.checks.remove(&(check, number));
                is_silent
            }
        };
        request.stage = Stage::Completed;
        self.in_flight -= 1;
        Some(CompletedRequest {
            calls: std::mem::take(&mut request.calls),
            is_batch: request.is_batch,
            was_silent,
        })
    }

    /// Forgets a request. Returns its conversations.
    pub(super) fn release(&mut self, number: RequestNumber) -> Conversations {
        self.complete(number);
        let request = self.all.remove(&number);
        request.map_or_else(Conversations::new, |request| request.conversations)
    }

    /// How many calls a request in flight has.
    pub(super) fn calls(&self, number: RequestNumber) -> usize {
        let request = self.all.get(&number);
        request.map_or(0, |request| request.calls.len())
    }

    /// How many conversations a request holds.
    pub(super) fn conversations(&self, number: RequestNumber) -> usize {
        let request = self.all.get(&number);
        request.map_or(0, |request| request.conversations.len())
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Gives back the memory of requests that have ended.
    pub(super) fn rest(&mut self) {
        self.all.shrink_to_fit();
        if self.checks.is_empty() {
            self.checks = BTreeSet::new();
        }
        if self.overdue.is_empty() {
            self.overdue = BTreeSet::new();
        }
    }

    /// For how many requests it has memory.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.all.capacity()
    }

    /// How many of the requests in flight are overdue.
    pub(super) fn overdue(&self) -> usize {
        self.overdue.len()
    }

    /// The overdue requests: when each departed, and its conversations.
    pub(super) fn all_overdue(&self) -> impl Iterator<Item = (Instant, &[Conversation])> {
        self.overdue.iter().filter_map(|(departed, number)| {
            let request = self.all.get(number)?;
            Some((*departed, request.conversations.as_slice()))
        })
    }
}
