//! Callers, replicas whose portals share a bucket, their database and the portal, in simulated
//! time.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::samples::{LIMITS, METHOD, STANDARD};
use crate::sharing::journal::database::{Known, Row};
use crate::sharing::{Ask, BucketConfig, PortalBucket, SharedBucket, lock};
use crate::{
    CallNumber, Conversation, Limits, Next, Permit, Portal, Priority, RequestNumber,
    RequestOutcome, SchedulingInfo,
};

/// By the database's clock at the start.
const START: i64 = 1_800_000_000_000;

/// What callers give each call.
const DEADLINE: Duration = Duration::from_secs(15);

/// What the portal takes to answer a single call.
const ANSWER: Duration = Duration::from_millis(70);

/// What callers were told.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    /// Calls that the portal executed, whatever their callers were told.
    pub(super) executed: usize,
    /// Executed, and not answered before the deadline.
    pub(super) unknown: usize,
    /// Not executed.
    pub(super) refused: usize,
}

pub(super) struct World {
    random: SmallRng,
    start: Instant,
    now: Instant,
    config: BucketConfig,
    row: Row,
    replicas: Vec<Replica>,
    events: BTreeMap<(Instant, u64), Event>,
    numbers: u64,
    calls: HashMap<CallNumber, Call>,
    end: Instant,
    /// The portal's own bucket, and since when it has this level.
    level: (f64, Instant),
    pub(super) rejected: usize,
    pub(super) told: Told,
}

struct Replica {
    portal: Portal<()>,
    bucket: Arc<Mutex<SharedBucket>>,
    known: Known,
    /// When the portal and the bucket are asked again.
    alarm: Option<Instant>,
    due: Option<Instant>,
}

/// A call whose caller waits, or whose request is in flight.
struct Call {
    caller: usize,
    is_sent: bool,
    /// Whether the caller has stopped waiting.
    is_over: bool,
}

struct Request {
    number: RequestNumber,
    calls: Vec<CallNumber>,
}

enum Event {
    Calls(usize),
    Deadline(CallNumber),
    Alarm(usize),
    /// An exchange of a replica is due.
    Due(usize),
    /// The database processes it.
    Exchange(usize, Ask),
    Response(usize, Row),
    Sent(usize, Request),
    Arrives(usize, Request),
    Completes(usize, Request, RequestOutcome),
}

impl World {
    /// Callers go round the replicas.
    pub(super) fn new(replicas: usize, callers: usize, seed: u64) -> Self {
        let now = Instant::now();
        let config = BucketConfig {
            limit: STANDARD,
            living: u32::try_from(replicas).unwrap(),
        };
        let mut world = Self {
            random: SmallRng::seed_from_u64(seed),
            start: now,
            now,
            config,
            row: Row::default(),
            replicas: (0..replicas).map(|_| Replica::new(config, now)).collect(),
            events: BTreeMap::new(),
            numbers: 0,
            calls: HashMap::new(),
            end: now,
            level: (0.0, now),
            rejected: 0,
            told: Told::default(),
        };
        for caller in 0..callers {
            world.after(Duration::ZERO, Event::Calls(caller));
        }
        world
    }

    /// Callers begin new calls for this span, and then all of them are told.
    pub(super) fn run(mut self, span: Duration) -> Self {
        self.end = self.start + span;
        while let Some(((at, _), event)) = self.events.pop_first() {
            self.now = self.now.max(at);
            self.happens(event);
            // Idle replicas go on exchanging.
            if self.calls.is_empty() && self.now >= self.end {
                break;
            }
        }
        self
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Calls(caller) => self.call(caller),
            Event::Deadline(number) => self.deadline(number),
            Event::Alarm(replica) => {
                let alarm = &mut self.replicas[replica].alarm;
                *alarm = alarm.filter(|alarm| *alarm > self.now);
                self.pump(replica);
            }
            Event::Due(replica) => {
                let due = &mut self.replicas[replica].due;
                *due = due.filter(|due| *due > self.now);
                self.ask(replica);
            }
            Event::Exchange(replica, ask) => {
                let passed = (self.now - self.start).as_millis();
                let now = START + i64::try_from(passed).unwrap();
                let name = format!("replica {replica}");
                let known = self.replicas[replica].known.take();
                let row = self.row.exchange(known, &name, self.config, &ask, now);
                let after = self.milliseconds(0..5);
                self.after(after, Event::Response(replica, row));
            }
            Event::Response(replica, row) => {
                let (known, grant) = row.read(self.config);
                self.replicas[replica].known = known;
                lock(&self.replicas[replica].bucket).granted(self.now, &grant);
                self.pump(replica);
            }
            Event::Sent(replica, request) => {
                let portal = &mut self.replicas[replica].portal;
                portal.sent(request.number, self.now);
                let transit = self.milliseconds(0..3);
                self.after(transit, Event::Arrives(replica, request));
                self.pump(replica);
            }
            Event::Arrives(replica, request) => {
                let (took, outcome) = if self.admits() {
                    self.told.executed += request.calls.len();
                    (ANSWER, RequestOutcome::Responded)
                } else {
                    self.rejected += 1;
                    (Duration::ZERO, RequestOutcome::RateLimited)
                };
                let took = took + self.milliseconds(0..4);
                self.after(took, Event::Completes(replica, request, outcome));
            }
            Event::Completes(replica, request, outcome) => {
                self.completes(replica, request, outcome);
            }
        }
    }

    fn call(&mut self, caller: usize) {
        if self.now >= self.end {
            return;
        }
        self.numbers += 1;
        let number = CallNumber::from(self.numbers);
        let deadline = self.now + DEADLINE;
        let info = SchedulingInfo {
            number,
            tenant: "acme".into(),
            method: METHOD,
            conversations: vec![Conversation::of(&caller)].into(),
            priority: Priority::Interactive,
            deadline,
            arrived: self.now,
            not_before: None,
            command_bytes: None,
            is_recorded: false,
        };
        let replica = caller % self.replicas.len();
        match self.replicas[replica].portal.submit(info, (), self.now) {
            Ok(()) => {
                let (is_sent, is_over) = (false, false);
                let call = Call {
                    caller,
                    is_sent,
                    is_over,
                };
                self.calls.insert(number, call);
                self.at(deadline, Event::Deadline(number));
                self.pump(replica);
            }
            Err((rejection, ())) => self.refuse(caller, rejection.retry_after()),
        }
    }

    fn refuse(&mut self, caller: usize, retry_after: Option<Duration>) {
        self.told.refused += 1;
        let pause = retry_after.unwrap_or_default() + self.milliseconds(1..3);
        self.after(pause, Event::Calls(caller));
    }

    fn deadline(&mut self, number: CallNumber) {
        let Some(call) = self.calls.get_mut(&number) else {
            return;
        };
        let (caller, replica) = (call.caller, call.caller % self.replicas.len());
        if call.is_sent {
            // Its request may be told of later, and is executed all the same.
            call.is_over = true;
            self.told.unknown += 1;
            self.after(Duration::from_millis(1), Event::Calls(caller));
        } else {
            call.is_over = true;
            if self.replicas[replica].portal.cancel(number).is_some() {
                self.calls.remove(&number);
            }
            self.refuse(caller, None);
        }
        self.pump(replica);
    }

    /// What a driver does.
    fn pump(&mut self, replica: usize) {
        let next = loop {
            match self.replicas[replica].portal.next(self.now) {
                Next::Prepare(selection) => self.replicas[replica].portal.prepared(selection),
                Next::Send(permit) => self.send(replica, permit),
                Next::Reject(calls, rejection) => {
                    for call in calls {
                        let call = self.calls.remove(&call.info.number).unwrap();
                        if !call.is_over {
                            self.refuse(call.caller, rejection.retry_after());
                        }
                    }
                }
                Next::At(moment) => break Some(moment),
                Next::Nothing => break None,
            }
        };
        let check = self.replicas[replica].portal.next_check();
        if let Some(moment) = next.into_iter().chain(check).min() {
            assert!(moment > self.now, "asks again at once");
            if is_sooner(&mut self.replicas[replica].alarm, moment) {
                self.at(moment, Event::Alarm(replica));
            }
        }
        self.replicas[replica].portal.want(self.now);
        self.ask(replica);
    }

    fn send(&mut self, replica: usize, permit: Permit<()>) {
        let (number, calls) = permit.into_parts();
        let (over, calls): (Vec<_>, Vec<_>) = calls
            .into_iter()
            .partition(|call| self.calls[&call.info.number].is_over);
        let portal = &mut self.replicas[replica].portal;
        for call in over {
            self.calls.remove(&call.info.number);
            portal.left_out(number, &[(call.info.tenant, call.info.method)]);
        }
        if calls.is_empty() {
            portal.completed(number, RequestOutcome::Withdrawn, Duration::ZERO, self.now);
            portal.release(number, Vec::new());
            return;
        }
        let calls: Vec<CallNumber> = calls.iter().map(|call| call.info.number).collect();
        for number in &calls {
            self.calls.get_mut(number).unwrap().is_sent = true;
        }
        let after = self.milliseconds(0..3);
        self.after(after, Event::Sent(replica, Request { number, calls }));
    }

    /// What the exchange task does.
    fn ask(&mut self, replica: usize) {
        let mut bucket = lock(&self.replicas[replica].bucket);
        let (ask, due) = (bucket.ask(self.now), bucket.due());
        drop(bucket);
        if let Some(ask) = ask {
            let after = self.milliseconds(0..5);
            self.after(after, Event::Exchange(replica, ask));
        } else if let Some(due) = due {
            let due = due.max(self.now + Duration::from_millis(1));
            if is_sooner(&mut self.replicas[replica].due, due) {
                self.at(due, Event::Due(replica));
            }
        }
    }

    fn completes(&mut self, replica: usize, request: Request, outcome: RequestOutcome) {
        let portal = &mut self.replicas[replica].portal;
        portal.completed(request.number, outcome, ANSWER, self.now);
        portal.release(request.number, Vec::new());
        for number in request.calls {
            let call = self.calls.remove(&number).unwrap();
            if !call.is_over {
                self.after(Duration::from_millis(1), Event::Calls(call.caller));
            }
        }
        self.pump(replica);
    }

    /// The portal's own bucket.
    fn admits(&mut self) -> bool {
        let (level, at) = self.level;
        let passed = (self.now - at).as_secs_f64();
        let level = (level - passed * STANDARD.per_second).max(0.0);
        let admits = level + 1.0 <= f64::from(STANDARD.burst);
        let level = if admits { level + 1.0 } else { level };
        self.level = (level, self.now);
        admits
    }

    fn milliseconds(&mut self, range: std::ops::Range<u64>) -> Duration {
        Duration::from_millis(self.random.random_range(range))
    }

    fn after(&mut self, wait: Duration, event: Event) {
        self.at(self.now + wait, event);
    }

    fn at(&mut self, at: Instant, event: Event) {
        self.numbers += 1;
        self.events.insert((at, self.numbers), event);
    }
}

impl Replica {
    fn new(config: BucketConfig, now: Instant) -> Self {
        let bucket = Arc::new(Mutex::new(SharedBucket::new(config, now, now)));
        let opened = Arc::clone(&bucket);
        let open = move |_limit| PortalBucket::new(Arc::clone(&opened), |_due| {});
        let limits = Limits {
            batch_calls: 1,
            ..LIMITS
        };
        Self {
            portal: Portal::new(limits, Some(STANDARD), Some(Box::new(open)), now),
            bucket,
            known: None,
            alarm: None,
            due: None,
        }
    }
}

/// Whether a moment comes before the known one, which it then replaces.
fn is_sooner(known: &mut Option<Instant>, moment: Instant) -> bool {
    let is_sooner = known.is_none_or(|known| moment < known);
    if is_sooner {
        *known = Some(moment);
    }
    is_sooner
}
