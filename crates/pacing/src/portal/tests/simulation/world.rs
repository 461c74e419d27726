//! Callers, the portal under test, and the network.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap, HashSet};
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::model::Model;
use super::totals::Totals;
use super::traffic::Traffic;
use crate::samples::{LIMITS, METHOD, STANDARD};
use crate::{
    CallNumber, Conversation, Limits, Next, Permit, Portal, Priority, RequestNumber,
    RequestOutcome, SchedulingInfo, Selection,
};

/// The most calls that may wait, so that the limit is reached.
const QUEUE: usize = 3000;
const PARALLEL: usize = 60;

type Request = (Vec<(SchedulingInfo, ())>, Vec<Conversation>);

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Minute,
    Call,
    Burst,
    OtherClient,
    Prepared(usize),
    Sent(RequestNumber),
    Arrives(RequestNumber),
    Completes(RequestNumber),
    Deadline(CallNumber),
    Alarm,
    End,
}

pub(super) struct World {
    pub(super) seed: u64,
    traffic: Traffic,
    random: SmallRng,
    state: Portal<()>,
    pub(super) portal: Model,
    pub(super) totals: Totals,
    start: Instant,
    now: Duration,
    events: BinaryHeap<Reverse<(Duration, Event)>>,
    in_flight: HashMap<RequestNumber, (Request, Duration, bool)>,
    preparing: HashMap<usize, Selection<()>>,
    waiting: HashSet<CallNumber>,
    /// Calls whose deadline passed after they were selected and before they had a permit.
    late: HashSet<CallNumber>,
    /// Calls in flight whose callers wait.
    awaited: HashSet<CallNumber>,
    rate: f64,
    numbers: CallNumber,
    over: bool,
    alarm: Option<Duration>,
}

impl World {
    pub(super) fn new(seed: u64, traffic: Traffic) -> Self {
        let limits = Limits {
            waiting_calls: QUEUE,
            parallel_requests: PARALLEL,
            ..LIMITS
        };
        let start = Instant::now();
        Self {
            seed,
            traffic,
            random: SmallRng::seed_from_u64(seed),
            state: Portal::new(limits, Some(STANDARD), None, start),
            portal: Model::default(),
            totals: Totals::default(),
            start,
            now: Duration::ZERO,
            events: BinaryHeap::new(),
            in_flight: HashMap::new(),
            preparing: HashMap::new(),
            waiting: HashSet::new(),
            late: HashSet::new(),
            awaited: HashSet::new(),
            rate: 1.0,
            numbers: 0,
            over: false,
            alarm: None,
        }
    }

    /// Calls arrive for this span, and then all of them complete.
    pub(super) fn run(mut self, span: Duration) -> Self {
        self.at(Duration::ZERO, Event::Minute);
        self.at(Duration::ZERO, Event::Call);
        if self.traffic.others_per_second > 0.0 {
            self.at(Duration::ZERO, Event::OtherClient);
        }
        self.at(span, Event::End);
        while let Some(Reverse((at, event))) = self.events.pop() {
            assert!(at >= self.now, "time goes on");
            self.now = at;
            self.happens(event);
            self.pump();
            // The places of overdue requests are lent out.
            let hangs = self.traffic.hangs.is_some();
            let parallel = if hangs { 2 * PARALLEL } else { PARALLEL };
            assert!(self.in_flight.len() <= parallel, "seed {}", self.seed);
            assert!(self.waiting.len() <= QUEUE, "seed {}", self.seed);
            if self.traffic.others_per_second == 0.0 {
                assert_eq!(self.portal.rejected, 0, "seed {} at {at:?}", self.seed);
            }
        }
        assert!(self.waiting.is_empty() && self.in_flight.is_empty());
        assert!(self.preparing.is_empty() && self.late.is_empty());
        self
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::End => self.over = true,
            Event::Minute if !self.over => {
                let choice = self
                    .random
                    .random_range(0..self.traffic.calls_per_second.len());
                self.rate = self.traffic.calls_per_second[choice];
                if self.traffic.burst > 0 && self.random.random_range(0..10) == 0 {
                    self.after(Duration::from_millis(500), Event::Burst);
                }
                self.after(Duration::from_secs(60), Event::Minute);
            }
            Event::Call if !self.over => {
                self.call();
                let wait = self.random.random_range(0.0..2.0) / self.rate;
                self.after(Duration::from_secs_f64(wait), Event::Call);
            }
            Event::Burst if !self.over => {
                (0..self.traffic.burst).for_each(|_| self.call());
            }
            Event::OtherClient if !self.over => {
                self.portal.other_client(self.now);
                let wait = self.random.random_range(0.0..2.0) / self.traffic.others_per_second;
                self.after(Duration::from_secs_f64(wait), Event::OtherClient);
            }
            Event::Minute | Event::Call | Event::Burst | Event::OtherClient => {}
            Event::Prepared(selection) => {
                let mut selection = self.preparing.remove(&selection).unwrap();
                selection.take_out(|call| self.late.remove(&call.info.number));
                self.state.prepared(selection);
            }
            Event::Sent(request) => {
                self.state.sent(request, self.start + self.now);
                let transit = Duration::from_millis(self.random.random_range(1..100));
                self.after(transit, Event::Arrives(request));
            }
            Event::Arrives(request) => self.arrives(request),
            Event::Completes(request) => self.completes(request),
            Event::Deadline(number) => {
                if self.waiting.remove(&number) {
                    if self.state.cancel(number).is_none() {
                        self.late.insert(number);
                    }
                    self.totals.expired += 1;
                } else if self.awaited.remove(&number) {
                    self.totals.unknown += 1;
                }
            }
            Event::Alarm => {
                if self.alarm == Some(self.now) {
                    self.alarm = None;
                }
            }
        }
    }

    fn call(&mut self) {
        self.numbers += 1;
        self.totals.came += 1;
        let tenant = ["north", "south", "west"][self.random.random_range(0..3)];
        // Few conversations have many calls.
        let spread = self.random.random_range(0.0_f64..1.0).powi(3);
        let conversation = (spread * f64::from(self.traffic.conversations)).floor();
        // A caller sends all its calls to a conversation with keys, or none.
        let is_recorded = conversation % 100.0 < f64::from(self.traffic.recorded_percent);
        let is_bulk = self.random.random_range(0..100) < self.traffic.bulk_percent;
        let is_single = self.random.random_range(0..100) < self.traffic.single_percent;
        let seconds = self.random.random_range(self.traffic.deadline.clone());
        let now = self.start + self.now;
        let deadline = self.now + Duration::from_secs(seconds);
        let info = SchedulingInfo {
            number: self.numbers,
            tenant: tenant.into(),
            method: METHOD,
            conversations: vec![Conversation::of(&(tenant, conversation.to_bits(), is_bulk))]
                .into(),
            priority: if is_bulk {
                Priority::Bulk
            } else {
                Priority::Interactive
            },
            deadline: self.start + deadline,
            arrived: now,
            not_before: None,
            command_bytes: (!is_single).then_some(300),
            is_recorded,
        };
        let number = info.number;
        match self.state.submit(info, (), now) {
            Ok(()) => {
                self.waiting.insert(number);
                self.at(deadline, Event::Deadline(number));
            }
            Err((rejection, ())) => self.totals.rejected(rejection),
        }
    }

    fn pump(&mut self) {
        loop {
            match self.state.next(self.start + self.now) {
                Next::Prepare(selection) if selection.is_recorded() => {
                    // Sometimes the store stalls.
                    let is_stalled = self.random.random_range(0..50) == 0;
                    let takes = self.random.random_range(1..20) * if is_stalled { 200 } else { 1 };
                    let name = self.preparing.keys().max().map_or(0, |newest| newest + 1);
                    self.preparing.insert(name, selection);
                    self.after(Duration::from_millis(takes), Event::Prepared(name));
                }
                Next::Prepare(selection) => self.state.prepared(selection),
                Next::Send(permit) => self.send(permit),
                Next::Reject(calls, rejection) => {
                    for call in calls {
                        let number = call.info.number;
                        if !self.late.remove(&number) {
                            assert!(self.waiting.remove(&number));
                            self.totals.rejected(rejection);
                        }
                    }
                }
                Next::At(moment) => return self.alarm(Some(moment)),
                Next::Nothing => return self.alarm(None),
            }
        }
    }

    fn send(&mut self, permit: Permit<()>) {
        let (request, calls) = permit.into_parts();
        let (late, calls): (Vec<_>, Vec<_>) = calls
            .into_iter()
            .map(|call| (call.info, ()))
            .partition(|(info, ())| self.late.remove(&info.number));
        let late: Vec<_> = late
            .into_iter()
            .map(|(info, ())| (info.tenant, info.method))
            .collect();
        self.state.left_out(request, &late);
        if calls.is_empty() {
            self.end(request, calls, RequestOutcome::Withdrawn, Duration::ZERO);
            return;
        }
        let conversations: BTreeSet<Conversation> = calls
            .iter()
            .flat_map(|(info, ())| info.conversations.iter().copied())
            .collect();
        let conversations = conversations.into_iter().collect();
        for (info, ()) in &calls {
            assert!(self.waiting.remove(&info.number));
            self.awaited.insert(info.number);
        }
        let size = u32::try_from(calls.len()).unwrap();
        let command = self.random.random_range(self.traffic.command.clone());
        let took = Duration::from_millis(50) + Duration::from_millis(command) * size;
        let lost = self.random.random_range(0..100) < self.traffic.lost_percent;
        self.in_flight
            .insert(request, ((calls, conversations), took, lost));
        // Sometimes the connection must be made first.
        let sending = if self.random.random_range(0..10) == 0 {
            200
        } else {
            0
        };
        self.after(Duration::from_millis(sending), Event::Sent(request));
    }

    fn alarm(&mut self, next: Option<Instant>) {
        let moments = [next, self.state.next_check()].into_iter().flatten();
        let Some(moment) = moments.min() else {
            return;
        };
        let moment = moment - self.start;
        assert!(moment > self.now, "seed {}: asks again at once", self.seed);
        if self.alarm.is_none_or(|alarm| moment < alarm) {
            self.alarm = Some(moment);
            self.at(moment, Event::Alarm);
        }
    }

    fn arrives(&mut self, request: RequestNumber) {
        let ((calls, conversations), took, lost) = self.in_flight.remove(&request).unwrap();
        if !self.portal.arrives(self.now) {
            self.end(request, calls, RequestOutcome::RateLimited, Duration::ZERO);
            return;
        }
        let (took, lost) = match self.traffic.hangs {
            Some(hangs) if hangs.is_on(self.now) => (LIMITS.longest_answer, true),
            Some(_) | None => (took, lost),
        };
        let executed: Vec<_> = calls
            .iter()
            .map(|(info, ())| (info.number, info.conversations.clone()))
            .collect();
        self.portal.begins(&executed);
        self.in_flight
            .insert(request, ((calls, conversations), took, lost));
        self.after(took, Event::Completes(request));
    }

    fn completes(&mut self, request: RequestNumber) {
        let ((calls, conversations), took, lost) = self.in_flight.remove(&request).unwrap();
        self.portal.ends(&conversations);
        for (info, ()) in &calls {
            match (self.awaited.remove(&info.number), lost) {
                (false, _) => {}
                (true, true) => self.totals.unknown += 1,
                (true, false) => self.totals.delivered(info),
            }
        }
        if let (false, Some(hangs)) = (lost, self.traffic.hangs) {
            self.totals.answered(hangs, self.now);
        }
        let outcome = if lost {
            RequestOutcome::Lost
        } else {
            RequestOutcome::Responded
        };
        self.end(request, calls, outcome, took);
    }

    fn end(
        &mut self,
        request: RequestNumber,
        calls: Vec<(SchedulingInfo, ())>,
        outcome: RequestOutcome,
        took: Duration,
    ) {
        let now = self.start + self.now;
        self.state.completed(request, outcome, took, now);
        let again = if outcome == RequestOutcome::RateLimited {
            let mut calls = calls;
            // Nobody waits for the others any more.
            calls.retain(|(info, ())| self.awaited.remove(&info.number));
            self.waiting
                .extend(calls.iter().map(|(info, ())| info.number));
            calls
        } else {
            Vec::new()
        };
        self.state.release(request, again);
    }

    fn after(&mut self, wait: Duration, event: Event) {
        self.at(self.now + wait, event);
    }

    fn at(&mut self, at: Duration, event: Event) {
        self.events.push(Reverse((at, event)));
    }
}
