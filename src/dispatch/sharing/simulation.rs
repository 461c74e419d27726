//! Replicas, their database and a portal in a time of their own.
//!
//! Requests leave some time after they were permitted and arrive some time later, answers of the database take their time and get lost,
//! and the portal counts as page "limits" says: it must never refuse.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::Instant;

use super::account::Account;
use super::{Ask, Grant, SharedBucket, Terms};
use crate::dispatch::Taken;
use bitrix24::{Intensity, Plan};
use store::StoredBudget;

/// By the database's clock at the start.
const START: i64 = 1_800_000_000_000;

struct World {
    terms: Terms,
    random: StdRng,
    start: Instant,
    now: Instant,
    row: StoredBudget,
    portal: Portal,
    replicas: Vec<Replica>,
    events: BTreeMap<(Instant, u64), Event>,
    numbers: u64,
    /// Of a hundred answers of the database so many are late, so that the replica is alone for a while.
    late_percent: u32,
    /// Whether requests leave as soon as they may, so that none of the budget is lost to their waiting.
    leaves_at_once: bool,
    /// How long a replica waits for an answer that does not come, in milliseconds.
    lost_after: u64,
    /// Until when the database is away.
    away_until: Option<Instant>,
    exchanges: u64,
}

struct Replica {
    bucket: SharedBucket,
    waiting: u32,
    sent: u32,
}

/// The portal's own bucket.
struct Portal {
    level: f64,
    at: Instant,
    taken: u32,
    refused: u32,
}

enum Event {
    /// The bucket of a replica is looked at.
    Look(usize),
    /// An exchange is due.
    Due(usize),
    Departs(usize),
    Arrives(usize),
    /// The database works on it.
    Exchange(usize, Ask),
    Answer(usize, Grant),
    Lost(usize),
    Back(usize),
    Calls(usize, u32),
}

impl World {
    fn new(plan: Plan, living: u32, seed: u64) -> Self {
        let start = Instant::now();
        let terms = Terms {
            intensity: plan.intensity().unwrap(),
            living,
        };
        let replica = || Replica {
            bucket: SharedBucket::new(terms, start, start),
            waiting: 0,
            sent: 0,
        };
        Self {
            terms,
            random: StdRng::seed_from_u64(seed),
            start,
            now: start,
            row: StoredBudget {
                portal: "portal".to_owned(),
                level: 0.0,
                updated_at: START,
                leases: "{}".to_owned(),
                operating: "{}".to_owned(),
            },
            portal: Portal {
                level: 0.0,
                at: start,
                taken: 0,
                refused: 0,
            },
            replicas: (0..living).map(|_| replica()).collect(),
            events: BTreeMap::new(),
            numbers: 0,
            late_percent: 0,
            leaves_at_once: false,
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

    /// Calls come to a replica at this time.
    fn calls(&mut self, replica: usize, at: Duration, calls: u32) {
        self.at(self.start + at, Event::Calls(replica, calls));
    }

    fn run_until(&mut self, end: Duration) {
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
            Event::Due(replica) => self.demand(replica),
            Event::Departs(replica) => {
                if self.random.random_ratio(1, 50) {
                    self.replicas[replica].bucket.give_back(now);
                    self.replicas[replica].waiting += 1;
                } else {
                    self.replicas[replica].bucket.departed(now);
                    let way = self.way();
                    self.after(way, Event::Arrives(replica));
                }
                self.send(replica);
            }
            Event::Arrives(replica) => {
                if self.portal.admits(self.terms, now) {
                    self.replicas[replica].sent += 1;
                } else {
                    self.replicas[replica].bucket.refused(now);
                    self.replicas[replica].waiting += 1;
                    self.send(replica);
                }
            }
            Event::Exchange(replica, ask) => self.exchange(replica, &ask),
            Event::Answer(replica, grant) => {
                if self.replicas[replica].bucket.granted(now, &grant) {
                    self.send(replica);
                } else {
                    self.demand(replica);
                }
            }
            Event::Lost(replica) => {
                self.replicas[replica].bucket.left_alone(now, now);
                let back = match self.away_until {
                    Some(until) if until > now => until - now,
                    Some(_) | None => Duration::ZERO,
                };
                let probe = self.random.random_range(100..900);
                self.at(
                    now + back + Duration::from_millis(probe),
                    Event::Back(replica),
                );
                self.send(replica);
            }
            Event::Back(replica) => {
                self.replicas[replica].bucket.back_together(now);
                self.send(replica);
            }
        }
    }

    /// What a dispatcher does: sends what may go, and says how many wait.
    fn send(&mut self, number: usize) {
        let now = self.now;
        let mut departing = 0;
        let mut look_at = None;
        let replica = &mut self.replicas[number];
        while replica.waiting > 0 {
            match replica.bucket.take(now) {
                Taken::Granted => {
                    replica.waiting -= 1;
                    departing += 1;
                }
                Taken::At(at) => {
                    look_at = Some(at);
                    break;
                }
                Taken::Asked => break,
            }
        }
        replica.bucket.want(now, replica.waiting.min(100));
        for _ in 0..departing {
            let slow = if self.leaves_at_once {
                3
            } else if self.random.random_ratio(1, 20) {
                1_500
            } else {
                60
            };
            let after = self.random.random_range(0..slow);
            self.after(after, Event::Departs(number));
        }
        // Not twice at the same moment.
        if let Some(at) = look_at {
            self.at(at.max(now + Duration::from_millis(1)), Event::Look(number));
        }
        self.demand(number);
    }

    /// What the task does that speaks with the database.
    fn demand(&mut self, number: usize) {
        let bucket = &mut self.replicas[number].bucket;
        if let Some(ask) = bucket.demand(self.now) {
            let after = self.random.random_range(0..20);
            self.after(after, Event::Exchange(number, ask));
        } else if let Some(due) = bucket.due() {
            let due = due.max(self.now + Duration::from_millis(1));
            self.at(due, Event::Due(number));
        }
    }

    /// For a while all ways are long, then all are short: what was sent meanwhile arrives at once.
    fn way(&mut self) -> u64 {
        let longest = u64::try_from(self.terms.way().as_millis()).unwrap();
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
        let mut account = Account::read(&self.row, self.terms);
        let grant = account.exchange(self.terms, &format!("replica {replica}"), ask, now);
        account.write(&mut self.row);
        if self.random.random_ratio(self.late_percent, 100) {
            self.after(self.lost_after, Event::Lost(replica));
        } else {
            let after = self.random.random_range(0..20);
            self.after(after, Event::Answer(replica, grant));
        }
    }

    fn sent(&self) -> u32 {
        self.portal.taken
    }
}

impl Portal {
    fn admits(&mut self, terms: Terms, now: Instant) -> bool {
        let Intensity { burst, per_second } = terms.intensity;
        let passed = (now - self.at).as_secs_f64();
        self.level = (self.level - passed * per_second).max(0.0);
        self.at = now;
        let admits = self.level + 1.0 <= f64::from(burst);
        if admits {
            self.level += 1.0;
            self.taken += 1;
        } else {
            self.refused += 1;
        }
        admits
    }
}

const MINUTE: Duration = Duration::from_secs(60);

/// Of what a portal would take in a minute, from the beginning.
fn share_of_a_minute(plan: Plan, sent: u32) -> f64 {
    let Intensity { burst, per_second } = plan.intensity().unwrap();
    f64::from(sent) / (f64::from(burst) + per_second * 60.0)
}

#[test]
fn replicas_together_use_the_whole_budget_and_never_exceed_it() {
    for seed in 0..8 {
        for plan in [Plan::Standard, Plan::Enterprise] {
            for living in 1..=3 {
                let mut world = World::new(plan, living, seed);
                for replica in 0..world.replicas.len() {
                    world.calls(replica, Duration::ZERO, 10_000);
                }
                world.run_until(MINUTE);
                let share = share_of_a_minute(plan, world.sent());
                let told = format!("{plan:?}, {living} replicas, seed {seed}: {share}");
                assert_eq!(world.portal.refused, 0, "{told}");
                assert!(share >= 0.97, "{told}");
                // Each exchange locks the row, which others wait for.
                let exchanges = f64::from(u32::try_from(world.exchanges).unwrap());
                let most = 1.7 * f64::from(world.sent()) + 60.0 * f64::from(living);
                assert!(exchanges < most, "{told}, {exchanges} exchanges");
            }
        }
    }
}

#[test]
fn one_of_several_replicas_gets_the_whole_budget_if_only_it_has_calls() {
    for seed in 0..8 {
        for plan in [Plan::Standard, Plan::Enterprise] {
            for living in 2..=3 {
                let mut world = World::new(plan, living, seed);
                world.calls(0, Duration::ZERO, 10_000);
                world.run_until(MINUTE);
                let share = share_of_a_minute(plan, world.sent());
                let told = format!("{plan:?}, {living} replicas, seed {seed}: {share}");
                assert_eq!(world.portal.refused, 0, "{told}");
                assert!(share >= 0.97, "{told}");
            }
        }
    }
}

#[test]
fn replicas_that_wait_are_served_in_turn() {
    for seed in 0..8 {
        let mut world = World::new(Plan::Standard, 3, seed);
        // The first has taken the burst before the others come.
        world.calls(0, Duration::ZERO, 10_000);
        world.calls(1, Duration::from_secs(10), 10_000);
        world.calls(2, Duration::from_secs(10), 10_000);
        world.run_until(Duration::from_secs(10));
        let before: Vec<u32> = world.replicas.iter().map(|replica| replica.sent).collect();
        world.run_until(Duration::from_secs(130));
        let sent = world.replicas.iter().zip(before);
        let sent: Vec<u32> = sent
            .map(|(replica, before)| replica.sent - before)
            .collect();
        // 240 in all.
        assert!(sent.iter().all(|sent| (60..100).contains(sent)), "{sent:?}");
    }
}

#[test]
fn the_first_call_on_a_quiet_portal_waits_for_nothing_and_costs_one_exchange() {
    for seed in 0..8 {
        let mut world = World::new(Plan::Standard, 3, seed);
        for call in 0..100_u32 {
            let at = Duration::from_secs(5) * call;
            world.calls(usize::try_from(call % 3).unwrap(), at, 1);
            world.run_until(at);
            let waiting: u32 = world.replicas.iter().map(|replica| replica.waiting).sum();
            assert_eq!(waiting, 0, "call {call}, seed {seed}");
        }
        world.run_until(Duration::from_secs(600));
        assert_eq!(world.sent(), 100);
        // One more for each that did not leave and was tried again.
        assert!(world.exchanges < 120, "{}", world.exchanges);
    }
}

#[test]
fn calls_in_any_order_over_hours_are_never_refused_and_none_is_forgotten() {
    for seed in 0..6 {
        let plan = if seed % 2 == 0 {
            Plan::Standard
        } else {
            Plan::Enterprise
        };
        let mut world = World::new(plan, 3, seed);
        let mut calls = 0;
        for minute in 0..120 {
            for replica in 0..3 {
                let many = world.random.random_ratio(1, 4);
                let most = if many { 150 } else { 10 };
                let (some, at) = (
                    world.random.random_range(0..most),
                    world.random.random_range(0..60_000),
                );
                calls += some;
                world.calls(replica, MINUTE * minute + Duration::from_millis(at), some);
            }
        }
        world.run_until(Duration::from_secs(4 * 3600));
        assert_eq!(world.portal.refused, 0, "seed {seed}");
        assert_eq!(world.sent(), calls, "seed {seed}");
        // All are at rest: nothing is held, and nothing happens any more.
        let leases = &world.row.leases;
        assert_eq!(leases, "{}", "seed {seed}");
        assert!(
            world
                .replicas
                .iter()
                .all(|replica| replica.bucket.is_at_rest(world.now))
        );
    }
}

#[test]
fn without_the_database_the_parts_are_no_more_than_the_whole() {
    for seed in 0..8 {
        for living in 1..=3 {
            let mut world = World::new(Plan::Standard, living, seed);
            for replica in 0..world.replicas.len() {
                world.calls(replica, Duration::ZERO, 10_000);
            }
            world.run_until(Duration::from_secs(20));
            let before = world.sent();
            world.away_until = Some(world.now + MINUTE);
            world.run_until(Duration::from_secs(80));
            let alone = world.sent() - before;
            world.run_until(Duration::from_secs(140));
            let together = world.sent() - before - alone;
            let told = format!("{living} replicas, seed {seed}: {before} {alone} {together}");
            assert_eq!(world.portal.refused, 0, "{told}");
            assert!(alone >= 110, "{told}");
            assert!(together >= 105, "{told}");
        }
    }
}

/// The faster the bucket drains, the more it matters that they do not all notice at the same time that the database is back.
#[test]
fn on_a_fast_portal_the_way_back_is_no_more_than_the_whole_either() {
    let fast = Intensity {
        burst: 50,
        per_second: 20.0,
    };
    for seed in 0..20 {
        for living in 2..=3 {
            let mut world = World::new(Plan::Own(fast), living, seed);
            world.leaves_at_once = true;
            // The connections are cut.
            world.lost_after = 1;
            for replica in 0..world.replicas.len() {
                world.calls(replica, Duration::ZERO, 10_000);
            }
            for outage in 1..=5 {
                world.run_until(Duration::from_secs(20 * outage));
                world.away_until = Some(world.now + Duration::from_secs(4));
            }
            world.run_until(Duration::from_secs(120));
            let told = format!("{living} replicas, seed {seed}: {} sent", world.sent());
            assert_eq!(world.portal.refused, 0, "{told}");
            // 2450 is the whole budget.
            assert!(world.sent() >= 2_000, "{told}");
        }
    }
}

#[test]
fn answers_that_get_lost_now_and_then_lead_to_no_refusal() {
    for seed in 0..8 {
        let mut world = World::new(Plan::Standard, 3, seed);
        world.late_percent = 2;
        for replica in 0..world.replicas.len() {
            world.calls(replica, Duration::ZERO, 10_000);
        }
        world.run_until(MINUTE * 10);
        let told = format!("seed {seed}: {} sent", world.sent());
        assert!(
            world.portal.refused == 0,
            "{told}, {} refused",
            world.portal.refused
        );
        // 1250 is the whole budget.
        assert!(world.sent() >= 1_000, "{told}");
    }
}
