//! Callers, the state under test, and the way to the portal and back.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tokio::time::Instant;

use super::model::Model;
use crate::call::Conversation;
use crate::call::Priority;
use crate::dispatch::Options;
use crate::dispatch::portal::{Fate, Next, Portal};
use crate::dispatch::queue::{CallNumber, Terms};
use bitrix24::Method;
use bitrix24::TenantId;

/// The most that may wait, so that the limit is met.
const QUEUE: usize = 3000;
const PARALLEL: usize = 60;

/// What comes, and how the portal is.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Calls a second, drawn anew every minute.
    calls_per_second: Vec<f64>,
    /// How many calls come at once now and then.
    burst: usize,
    bulk_percent: u32,
    /// The part of calls that may not travel in a batch.
    alone_percent: u32,
    conversations: u32,
    deadline: std::ops::Range<u64>,
    /// Requests of somebody else at the same address, a second.
    others_per_second: f64,
    /// The part of requests without an answer, in percent.
    lost_percent: u32,
}

impl Plan {
    /// Quiet minutes, busy minutes, and sudden thousands.
    pub(super) fn weather() -> Self {
        Self {
            calls_per_second: vec![0.05, 0.5, 2.0, 10.0, 60.0],
            burst: 1500,
            bulk_percent: 20,
            alone_percent: 2,
            conversations: 400,
            deadline: 20..56,
            others_per_second: 0.0,
            lost_percent: 1,
        }
    }

    /// More than can be sent, always.
    pub(super) fn overload() -> Self {
        Self {
            calls_per_second: vec![150.0],
            burst: 0,
            bulk_percent: 50,
            alone_percent: 0,
            conversations: 4000,
            deadline: 50..56,
            others_per_second: 0.0,
            lost_percent: 0,
        }
    }

    /// Somebody else takes a quarter of the bucket, unseen.
    pub(super) fn shared_with_others() -> Self {
        Self {
            others_per_second: 0.5,
            lost_percent: 0,
            ..Self::weather()
        }
    }
}

/// What became of all calls.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    pub(super) came: usize,
    pub(super) delivered: usize,
    pub(super) refused: usize,
    pub(super) expired: usize,
    pub(super) bulk: usize,
    pub(super) by_tenant: BTreeMap<String, usize>,
}

type Flight = (Vec<(Terms, ())>, Vec<Conversation>);

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Minute,
    Call,
    Burst,
    SomebodyElse,
    Leaves(usize),
    Arrives(usize),
    Lands(usize),
    Deadline(CallNumber),
    Alarm,
    Silence,
}

pub(super) struct World {
    pub(super) seed: u64,
    plan: Plan,
    random: SmallRng,
    state: Portal<()>,
    pub(super) portal: Model,
    pub(super) told: Told,
    start: Instant,
    now: Duration,
    events: BinaryHeap<Reverse<(Duration, Event)>>,
    flights: HashMap<usize, (Flight, Duration, bool)>,
    waiting: HashMap<CallNumber, ()>,
    rate: f64,
    numbers: CallNumber,
    over: bool,
    alarm: Option<Duration>,
}

impl World {
    pub(super) fn new(seed: u64, plan: Plan) -> Self {
        let options = Options {
            maximum_waiting_calls_per_portal: QUEUE,
            parallel_requests_per_portal: PARALLEL,
            ..Options::default()
        };
        let start = Instant::now();
        let intensity = bitrix24::Plan::Standard.intensity();
        Self {
            seed,
            plan,
            random: SmallRng::seed_from_u64(seed),
            state: Portal::new(Arc::new(options), intensity, start),
            portal: Model::default(),
            told: Told::default(),
            start,
            now: Duration::ZERO,
            events: BinaryHeap::new(),
            flights: HashMap::new(),
            waiting: HashMap::new(),
            rate: 1.0,
            numbers: 0,
            over: false,
            alarm: None,
        }
    }

    /// Lets calls come for so long, and then lets all of them end.
    pub(super) fn run(mut self, span: Duration) -> Self {
        self.at(Duration::ZERO, Event::Minute);
        self.at(Duration::ZERO, Event::Call);
        if self.plan.others_per_second > 0.0 {
            self.at(Duration::ZERO, Event::SomebodyElse);
        }
        self.at(span, Event::Silence);
        while let Some(Reverse((at, event))) = self.events.pop() {
            assert!(at >= self.now, "time goes on");
            self.now = at;
            self.happens(event);
            self.pump();
            assert!(self.flights.len() <= PARALLEL, "seed {}", self.seed);
            assert!(self.waiting.len() <= QUEUE, "seed {}", self.seed);
            if self.plan.others_per_second == 0.0 {
                assert_eq!(self.portal.rejected, 0, "seed {} at {at:?}", self.seed);
            }
        }
        assert!(self.waiting.is_empty() && self.flights.is_empty());
        self
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Silence => self.over = true,
            Event::Minute if !self.over => {
                let choice = self
                    .random
                    .random_range(0..self.plan.calls_per_second.len());
                self.rate = self.plan.calls_per_second[choice];
                if self.plan.burst > 0 && self.random.random_range(0..10) == 0 {
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
                (0..self.plan.burst).for_each(|_| self.call());
            }
            Event::SomebodyElse if !self.over => {
                self.portal.somebody_else(self.now);
                let wait = self.random.random_range(0.0..2.0) / self.plan.others_per_second;
                self.after(Duration::from_secs_f64(wait), Event::SomebodyElse);
            }
            Event::Minute | Event::Call | Event::Burst | Event::SomebodyElse => {}
            Event::Leaves(flight) => {
                self.state.departed(self.start + self.now);
                let way = Duration::from_millis(self.random.random_range(1..100));
                self.after(way, Event::Arrives(flight));
            }
            Event::Arrives(flight) => self.arrives(flight),
            Event::Lands(flight) => self.lands(flight),
            Event::Deadline(number) => {
                if self.waiting.remove(&number).is_some() {
                    assert!(self.state.cancel(number).is_some());
                    self.told.expired += 1;
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
        self.told.came += 1;
        let tenant = ["north", "south", "west"][self.random.random_range(0..3)];
        // Few conversations have many calls.
        let spread = self.random.random_range(0.0_f64..1.0).powi(3);
        let conversation = (spread * f64::from(self.plan.conversations)).floor();
        let is_bulk = self.random.random_range(0..100) < self.plan.bulk_percent;
        let is_alone = self.random.random_range(0..100) < self.plan.alone_percent;
        let seconds = self.random.random_range(self.plan.deadline.clone());
        let now = self.start + self.now;
        let deadline = self.now + Duration::from_secs(seconds);
        let terms = Terms {
            number: self.numbers,
            tenant: TenantId::parse(tenant).unwrap(),
            method: Method::AddCrmMessage,
            conversations: vec![Conversation::of(&(tenant, conversation.to_bits(), is_bulk))],
            priority: if is_bulk {
                Priority::Bulk
            } else {
                Priority::Interactive
            },
            deadline: self.start + deadline,
            arrived: now,
            not_before: None,
            command_bytes: (!is_alone).then_some(300),
        };
        let number = terms.number;
        match self.state.submit(terms, (), now) {
            Ok(()) => {
                self.waiting.insert(number, ());
                self.at(deadline, Event::Deadline(number));
            }
            Err(_refused) => self.told.refused += 1,
        }
    }

    fn pump(&mut self) {
        loop {
            match self.state.next(self.start + self.now) {
                Next::Send(permit) => {
                    let (calls, conversations) = permit.into_parts();
                    let calls: Vec<_> = calls.into_iter().map(|call| (call.terms, ())).collect();
                    for (terms, ()) in &calls {
                        assert!(self.waiting.remove(&terms.number).is_some());
                    }
                    let size = u32::try_from(calls.len()).unwrap();
                    let slowness = self.random.random_range(1..5_u32);
                    let took =
                        Duration::from_millis(50) + Duration::from_millis(10) * slowness * size;
                    let lost = self.random.random_range(0..100) < self.plan.lost_percent;
                    let flight = self.flights.keys().max().map_or(0, |newest| newest + 1);
                    let flight = flight.max(self.portal.accepted + self.portal.rejected);
                    self.flights
                        .insert(flight, ((calls, conversations), took, lost));
                    // A connection has to be made now and then.
                    let leaving = if self.random.random_range(0..10) == 0 {
                        200
                    } else {
                        0
                    };
                    self.after(Duration::from_millis(leaving), Event::Leaves(flight));
                }
                Next::Refuse(calls, _why) => {
                    for call in calls {
                        assert!(self.waiting.remove(&call.terms.number).is_some());
                        self.told.refused += 1;
                    }
                }
                Next::At(moment) => {
                    let moment = moment - self.start;
                    assert!(moment > self.now, "seed {}: asks again at once", self.seed);
                    if self.alarm.is_none_or(|alarm| moment < alarm) {
                        self.alarm = Some(moment);
                        self.at(moment, Event::Alarm);
                    }
                    return;
                }
                Next::Nothing => return,
            }
        }
    }

    fn arrives(&mut self, flight: usize) {
        let ((calls, conversations), took, lost) = self.flights.remove(&flight).unwrap();
        if !self.portal.arrives(self.now) {
            self.end(calls, &conversations, Fate::RateLimited, Duration::ZERO);
            return;
        }
        let executed: Vec<_> = calls
            .iter()
            .map(|(terms, ())| (terms.number, terms.conversations.clone()))
            .collect();
        self.portal.begins(&executed);
        self.flights
            .insert(flight, ((calls, conversations), took, lost));
        self.after(took, Event::Lands(flight));
    }

    fn lands(&mut self, flight: usize) {
        let ((calls, conversations), took, lost) = self.flights.remove(&flight).unwrap();
        self.portal.ends(&conversations);
        for (terms, ()) in &calls {
            self.told.delivered += 1;
            self.told.bulk += usize::from(terms.priority == Priority::Bulk);
            let tenant = terms.tenant.to_string();
            *self.told.by_tenant.entry(tenant).or_default() += 1;
        }
        let fate = if lost { Fate::Lost } else { Fate::Answered };
        self.end(calls, &conversations, fate, took);
    }

    fn end(
        &mut self,
        calls: Vec<(Terms, ())>,
        conversations: &[Conversation],
        fate: Fate,
        took: Duration,
    ) {
        let now = self.start + self.now;
        let of: Vec<_> = calls
            .iter()
            .map(|(terms, ())| (terms.tenant.clone(), terms.method))
            .collect();
        self.state.landed(&of, fate, took, now);
        let again = if fate == Fate::RateLimited {
            for (terms, ()) in &calls {
                self.waiting.insert(terms.number, ());
                if terms.deadline <= now {
                    self.at(self.now, Event::Deadline(terms.number));
                }
            }
            calls
        } else {
            Vec::new()
        };
        self.state.settle(conversations, again);
    }

    fn after(&mut self, wait: Duration, event: Event) {
        self.at(self.now + wait, event);
    }

    fn at(&mut self, at: Duration, event: Event) {
        self.events.push(Reverse((at, event)));
    }
}
