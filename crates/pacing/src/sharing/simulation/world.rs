//! Simulated replicas, their database and a portal, in simulated time.
//!
//! Requests are sent some time after their permit and arrive later, responses of the database take
//! time and get lost, and the portal counts as page "limits" says: it must never reject a request.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::sharing::{Account, AccountRow, Ask, BucketConfig, Grant, SharedBucket};
use crate::{RateLimit, Taken};

/// By the database's clock at the start.
const START: i64 = 1_800_000_000_000;

pub(super) struct World {
    config: BucketConfig,
    pub(super) random: StdRng,
    start: Instant,
    pub(super) now: Instant,
    pub(super) row: AccountRow,
    pub(super) portal: Portal,
    pub(super) replicas: Vec<Replica>,
    events: BTreeMap<(Instant, u64), Event>,
    numbers: u64,
    /// How many of a hundred responses of the database are late, so that the replica is isolated.
    pub(super) late_percent: u32,
    /// Whether requests are sent at once, so that none of the rate is lost to their waiting.
    pub(super) sends_at_once: bool,
    /// How long a replica waits for a response that does not arrive, in milliseconds.
    pub(super) lost_after: u64,
    /// The end of the database's outage.
    pub(super) away_until: Option<Instant>,
    pub(super) exchanges: u64,
}

pub(super) struct Replica {
    pub(super) bucket: SharedBucket,
    pub(super) waiting: u32,
    pub(super) sent: u32,
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
    Response(usize, Grant),
    Lost(usize),
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
        };
        Self {
            config,
            random: StdRng::seed_from_u64(seed),
            start,
            now: start,
            row: AccountRow {
                level: 0.0,
                updated_at: START,
                leases: "{}".to_owned(),
                operating: "{}".to_owned(),
            },
            portal: Portal {
                level: 0.0,
                at: start,
                taken: 0,
                rejected: 0,
            },
            replicas: (0..living).map(|_| replica()).collect(),
            events: BTreeMap::new(),
            numbers: 0,
            late_percent: 0,
            sends_at_once: false,
            lost_after: 280,
            away_until: None,
            exchanges: 0,
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
            Event::Exchange(replica, ask) => self.exchange(replica, &ask),
            Event::Response(replica, grant) => {
                if self.replicas[replica].bucket.granted(now, &grant) {
                    self.send(replica);
                } else {
                    self.ask(replica);
                }
            }
            Event::Lost(replica) => {
                self.replicas[replica].bucket.isolate(now, now);
                let back = match self.away_until {
                    Some(until) if until > now => until - now,
                    Some(_) | None => Duration::ZERO,
                };
                let probe = self.random.random_range(100..900);
                self.at(
                    now + back + Duration::from_millis(probe),
                    Event::Rejoin(replica),
                );
                self.send(replica);
            }
            Event::Rejoin(replica) => {
                self.replicas[replica].bucket.rejoin(now);
                self.send(replica);
            }
        }
    }

    //// What a driver does.
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
            let after = self.random.random_range(0..20);
            self.after(after, Event::Exchange(number, ask));
        } else if let Some(due) = bucket.due() {
            let due = due.max(self.now + Duration::from_millis(1));
            self.at(due, Event::Due(number));
        }
    }

    /// For some time all transits are long, then all are short: requests pile up and arrive at
    /// once.
    fn transit(&mut self) -> u64 {
        let longest = u64::try_from(self.config.transit().as_millis()).unwrap();
        let is_slow = (self.now - self.start).as_secs() % 4 < 2;
        let from = if is_slow { longest - 5 } else { 0 };
        self.random.random_range(from..from + 5)
    }

    fn exchange(&mut self, replica: usize, ask: &Ask) {
        if self.away_until.is_some_and(|until| self.now < until) {
            return self.after(self.lost_after, Event::Lost(replica));
        }
        self.exchanges += 1;
        let passed = (self.now - self.start).as_millis();
        let now = START + i64::try_from(passed).unwrap();
        let mut account = Account::read(&self.row, self.config);
        let grant = account.exchange(self.config, &format!("replica {replica}"), ask, now);
        self.row = account.write();
        if self.random.random_ratio(self.late_percent, 100) {
            self.after(self.lost_after, Event::Lost(replica));
        } else {
            let after = self.random.random_range(0..20);
            self.after(after, Event::Response(replica, grant));
        }
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
