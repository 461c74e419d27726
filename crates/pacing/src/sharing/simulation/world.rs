//! Simulated replicas, their database and a portal, in simulated time.
//!
//! Requests are sent some time after their permit and arrive later, responses of the database take
//! time and get lost, and the portal counts as page "limits" says: it must never reject a request.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::sharing::journal::database::{Known, Row};
use crate::sharing::{Ask, BucketConfig, SharedBucket};
use crate::{RateLimit, Taken};

/// By the database's clock at the start.
const START: i64 = 1_800_000_000_000;

pub(super) struct World {
    config: BucketConfig,
    pub(super) random: StdRng,
    start: Instant,
    pub(super) now: Instant,
    pub(super) row: Row,
    pub(super) portal: Portal,
    pub(super) replicas: Vec<Replica>,
    events: BTreeMap<(Instant, u64), Event>,
    numbers: u64,
    /// What the database and the way to it and back take, in milliseconds.
    pub(super) round_trip: u64,
    /// How many of a hundred responses of the database get lost, so that the replica is isolated.
    /// The database executes half of these statements late.
    pub(super) late_percent: u32,
    /// Whether requests are sent at once, so that none of the rate is lost to their waiting.
    pub(super) sends_at_once: bool,
    /// How long a replica waits for a response that does not arrive, in milliseconds.
    pub(super) lost_after: u64,
    /// The end of the database's outage.
    pub(super) away_until: Option<Instant>,
    pub(super) exchanges: u64,
    /// The most asks that the row held.
    pub(super) most_asks: usize,
}

pub(super) struct Replica {
    pub(super) bucket: SharedBucket,
    pub(super) waiting: u32,
    pub(super) sent: u32,
    pub(super) known: Known,
    asks: u64,
    /// When it was isolated, how often, and how long it waits before it tries an exchange.
    pub(super) isolations: u32,
    back_off: u64,
}

/// The portal's own bucket.
pub(super) struct Portal {
    level: f64,
    at: Instant,
    taken: u32,
    pub(super) rejected: u32,
}

enum Event {
    /// A replica checks its bucket.
    Look(usize),
    /// An exchange is due.
    Due(usize),
    Sent(usize),
    Arrives(usize),
    /// The database processes it.
    Exchange(usize, Ask),
    /// It processes it, and nobody waits for the response.
    Late(usize, Ask),
    Response(usize, Row),
    Lost(usize),
    /// An isolated replica tries an exchange.
    Probe(usize),
    /// Its exchange about another portal succeeds.
    Rejoin(usize),
    Calls(usize, u32),
}

impl World {
    pub(super) fn new(plan: RateLimit, living: u32, seed: u64) -> Self {
        let start = Instant::now();
        let config = BucketConfig {
            limit: plan,
            living,
        };
        let replica = || Replica {
            bucket: SharedBucket::new(config, start, start),
            waiting: 0,
            sent: 0,
            known: None,
            asks: 0,
            isolations: 0,
            back_off: 0,
        };
        Self {
            config,
            random: StdRng::seed_from_u64(seed),
            start,
            now: start,
            row: Row::default(),
            portal: Portal {
                level: 0.0,
                at: start,
                taken: 0,
                rejected: 0,
            },
            replicas: (0..living).map(|_| replica()).collect(),
            events: BTreeMap::new(),
            numbers: 0,
            round_trip: 20,
            late_percent: 0,
            sends_at_once: false,
            lost_after: 280,
            away_until: None,
            exchanges: 0,
            most_asks: 0,
        }
    }

    fn after(&mut self, milliseconds: u64, event: Event) {
        self.at(self.now + Duration::from_millis(milliseconds), event);
    }

    fn at(&mut self, at: Instant, event: Event) {
        self.numbers += 1;
        self.events.insert((at, self.numbers), event);
    }

    /// Calls arrive at a replica at this time.
    pub(super) fn calls(&mut self, replica: usize, at: Duration, calls: u32) {
        self.at(self.start + at, Event::Calls(replica, calls));
    }

    pub(super) fn run_until(&mut self, end: Duration) {
        let end = self.start + end;
        while let Some(((at, _), event)) = self.events.pop_first() {
            if at > end {
                self.at(at, event);
                break;
            }
            self.now = self.now.max(at);
            self.happens(event);
        }
        self.now = end;
    }

    fn happens(&mut self, event: Event) {
        let now = self.now;
        match event {
            Event::Calls(replica, calls) => {
                self.replicas[replica].waiting += calls;
                self.send(replica);
            }
            Event::Look(replica) => self.send(replica),
            Event::Due(replica) => self.ask(replica),
            Event::Sent(replica) => {
                if self.random.random_ratio(1, 50) {
                    self.replicas[replica].bucket.release(now);
                    self.replicas[replica].waiting += 1;
                } else {
                    self.replicas[replica].bucket.sent(now);
                    let transit = self.transit();
                    self.after(transit, Event::Arrives(replica));
                }
                self.send(replica);
            }
            Event::Arrives(replica) => {
                if self.portal.admits(self.config, now) {
                    self.replicas[replica].sent += 1;
                } else {
                    self.replicas[replica].bucket.rejected(now);
                    self.replicas[replica].waiting += 1;
                    self.send(replica);
                }
            }
            Event::Exchange(replica, ask) => self.exchange(replica, ask),
            Event::Late(replica, ask) => {
                self.execute(replica, &ask);
            }
            Event::Response(number, row) => {
                let (known, grant) = row.read(self.config);
                let replica = &mut self.replicas[number];
                (replica.known, replica.back_off) = (known, 0);
                if replica.bucket.granted(now, &grant) {
                    self.send(number);
                } else {
                    self.ask(number);
                }
            }
            Event::Lost(number) => {
                let replica = &mut self.replicas[number];
                replica.bucket.unanswered();
                replica.bucket.isolate(now, now);
                replica.isolations += 1;
                replica.back_off = (replica.back_off * 2).clamp(100, 1_000);
                let probe = replica.back_off;
                let event = if self.random.random_ratio(1, 4) && self.away_until.is_none() {
                    Event::Rejoin(number)
                } else {
                    Event::Probe(number)
                };
                let probe = self.random.random_range(probe / 2..probe);
                self.after(probe, event);
                self.send(number);
            }
            Event::Probe(number) => {
                let replica = &mut self.replicas[number];
                if let Some(ask) = replica.bucket.probe(now) {
                    self.departs(number, ask);
                }
                self.send(number);
            }
            Event::Rejoin(replica) => {
                self.replicas[replica].bucket.rejoin(now);
                self.send(replica);
            }
        }
    }

    /// What a driver does.
    fn send(&mut self, number: usize) {
        let now = self.now;
        let mut sending = 0;
        let mut look_at = None;
        let replica = &mut self.replicas[number];
        while replica.waiting > 0 {
            match replica.bucket.take(now) {
                Taken::Granted => {
                    replica.waiting -= 1;
                    sending += 1;
                }
                Taken::At(at) => {
                    look_at = Some(at);
                    break;
                }
                Taken::Asked => break,
            }
        }
        replica.bucket.want(now, replica.waiting.min(100));
        for _ in 0..sending {
            let slow = if self.sends_at_once {
                3
            } else if self.random.random_ratio(1, 20) {
                1_500
            } else {
                60
            };
            let after = self.random.random_range(0..slow);
            self.after(after, Event::Sent(number));
        }
        // Not twice at the same moment.
        if let Some(at) = look_at {
            self.at(at.max(now + Duration::from_millis(1)), Event::Look(number));
        }
        self.ask(number);
    }

    /// What the exchange task does.
    fn ask(&mut self, number: usize) {
        let bucket = &mut self.replicas[number].bucket;
        if let Some(ask) = bucket.ask(self.now) {
            self.departs(number, ask);
        } else if let Some(due) = bucket.due() {
            let due = due.max(self.now + Duration::from_millis(1));
            self.at(due, Event::Due(number));
        }
    }

    fn departs(&mut self, number: usize, mut ask: Ask) {
        self.replicas[number].asks += 1;
        ask.number = self.replicas[number].asks;
        let way = self.way();
        self.after(way, Event::Exchange(number, ask));
    }

    /// One way to the database, or back.
    fn way(&mut self) -> u64 {
        self.random.random_range(0..=self.round_trip)
    }

    /// For some time all transits are long, then all are short: requests pile up and arrive at
    /// once.
    fn transit(&mut self) -> u64 {
        let longest = u64::try_from(self.config.transit().as_millis()).unwrap();
        let is_slow = (self.now - self.start).as_secs() % 4 < 2;
        let from = if is_slow { longest - 5 } else { 0 };
        self.random.random_range(from..from + 5)
    }

    fn exchange(&mut self, replica: usize, ask: Ask) {
        if self.away_until.is_some_and(|until| self.now < until) {
            return self.after(self.lost_after, Event::Lost(replica));
        }
        self.away_until = None;
        if self.random.random_ratio(self.late_percent, 100) {
            self.after(self.lost_after, Event::Lost(replica));
            if self.random.random_ratio(1, 2) {
                let late = self.random.random_range(0..1_500);
                self.after(late, Event::Late(replica, ask));
            }
            return;
        }
        let row = self.execute(replica, &ask);
        let way = self.way();
        self.after(way, Event::Response(replica, row));
    }

    fn execute(&mut self, replica: usize, ask: &Ask) -> Row {
        self.exchanges += 1;
        let passed = (self.now - self.start).as_millis();
        let now = START + i64::try_from(passed).unwrap();
        let known = self.replicas[replica].known.clone();
        let name = format!("replica {replica}");
        let row = self.row.exchange(known, &name, self.config, ask, now);
        self.most_asks = self.most_asks.max(row.asks());
        row
    }

    /// The account after the last exchange.
    pub(super) fn account(&self) -> String {
        let (known, _) = self.row.read(self.config);
        known.unwrap().1
    }

    pub(super) fn sent(&self) -> u32 {
        self.portal.taken
    }
}

impl Portal {
    fn admits(&mut self, config: BucketConfig, now: Instant) -> bool {
        let RateLimit { burst, per_second } = config.limit;
        let passed = (now - self.at).as_secs_f64();
        self.level = (self.level - passed * per_second).max(0.0);
        self.at = now;
        let admits = self.level + 1.0 <= f64::from(burst);
        if admits {
            self.level += 1.0;
            self.taken += 1;
        } else {
            self.rejected += 1;
        }
        admits
    }
}
