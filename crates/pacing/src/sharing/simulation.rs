//! Replicas that share a portal's bucket, simulated over minutes and hours.

mod world;

use std::time::Duration;

use rand::RngExt;

use self::world::World;
use crate::RateLimit;
use crate::samples::{ENTERPRISE, STANDARD};

const MINUTE: Duration = Duration::from_secs(60);

/// Of what a portal would take in a minute, from the beginning.
fn share_of_a_minute(plan: RateLimit, sent: u32) -> f64 {
    let RateLimit { burst, per_second } = plan;
    f64::from(sent) / (f64::from(burst) + per_second * 60.0)
}

#[test]
fn replicas_together_use_the_whole_budget_and_never_exceed_it() {
    for seed in 0..8 {
        for plan in [STANDARD, ENTERPRISE] {
            for living in 1..=3 {
                let mut world = World::new(plan, living, seed);
                for replica in 0..world.replicas.len() {
                    world.calls(replica, Duration::ZERO, 10_000);
                }
                world.run_until(MINUTE);
                let share = share_of_a_minute(plan, world.sent());
                let context = format!("{plan:?}, {living} replicas, seed {seed}: {share}");
                assert_eq!(world.portal.rejected, 0, "{context}");
                assert!(share >= 0.97, "{context}");
                // Each exchange locks the row, which others wait for.
                let exchanges = f64::from(u32::try_from(world.exchanges).unwrap());
                let most = 1.7 * f64::from(world.sent()) + 60.0 * f64::from(living);
                assert!(exchanges < most, "{context}, {exchanges} exchanges");
            }
        }
    }
}

#[test]
fn one_of_several_replicas_gets_the_whole_budget_if_only_it_has_calls() {
    for seed in 0..8 {
        for plan in [STANDARD, ENTERPRISE] {
            for living in 2..=3 {
                let mut world = World::new(plan, living, seed);
                world.calls(0, Duration::ZERO, 10_000);
                world.run_until(MINUTE);
                let share = share_of_a_minute(plan, world.sent());
                let context = format!("{plan:?}, {living} replicas, seed {seed}: {share}");
                assert_eq!(world.portal.rejected, 0, "{context}");
                assert!(share >= 0.97, "{context}");
            }
        }
    }
}

#[test]
fn replicas_that_wait_are_served_in_turn() {
    for seed in 0..8 {
        let mut world = World::new(STANDARD, 3, seed);
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
        let mut world = World::new(STANDARD, 3, seed);
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
        let plan = if seed % 2 == 0 { STANDARD } else { ENTERPRISE };
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
        assert_eq!(world.portal.rejected, 0, "seed {seed}");
        assert_eq!(world.sent(), calls, "seed {seed}");
        // All are at credit_after: nothing is held, and nothing happens any more.
        let account = world.account();
        assert!(account.contains(r#""leases":{}"#), "seed {seed}: {account}");
        assert!(
            world
                .replicas
                .iter()
                .all(|replica| replica.bucket.is_idle(world.now))
        );
    }
}

/// What two replicas with calls take of the whole budget in a minute, for each round trip in
/// milliseconds.
#[test]
fn a_database_far_away_costs_little_of_the_budget_and_ever_less_than_all() {
    for (round_trip, least) in [(0, 0.97), (100, 0.95), (300, 0.93), (1_000, 0.85)] {
        for seed in 0..4 {
            for (plan, with_calls) in [(STANDARD, 2), (STANDARD, 1), (ENTERPRISE, 2)] {
                let mut world = World::new(plan, 2, seed);
                world.round_trip = round_trip;
                for replica in 0..with_calls {
                    world.calls(replica, Duration::ZERO, 10_000);
                }
                world.run_until(MINUTE);
                let share = share_of_a_minute(plan, world.sent());
                let context = format!("{plan:?}, {round_trip} ms, seed {seed}: {share}");
                println!("{context}, {with_calls} with calls");
                assert_eq!(world.portal.rejected, 0, "{context}");
                assert!(share >= least, "{context}");
                assert!(world.most_asks <= 12, "{context}: {}", world.most_asks);
            }
        }
    }
}

#[test]
fn without_the_database_the_parts_are_no_more_than_the_whole() {
    for seed in 0..8 {
        for living in 1..=3 {
            let mut world = World::new(STANDARD, living, seed);
            for replica in 0..world.replicas.len() {
                world.calls(replica, Duration::ZERO, 10_000);
            }
            world.run_until(Duration::from_secs(20));
            let before = world.sent();
            world.away_until = Some(world.now + MINUTE);
            world.run_until(Duration::from_secs(80));
            let isolated = world.sent() - before;
            world.run_until(Duration::from_secs(140));
            let together = world.sent() - before - isolated;
            let context = format!("{living} replicas, seed {seed}: {before} {isolated} {together}");
            assert_eq!(world.portal.rejected, 0, "{context}");
            assert!(isolated >= 110, "{context}");
            assert!(together >= 105, "{context}");
        }
    }
}

/// The faster the bucket drains, the more it matters that they do not all notice at the same time
/// that the database is back.
#[test]
fn on_a_fast_portal_the_way_back_is_no_more_than_the_whole_either() {
    let fast = RateLimit {
        burst: 50,
        per_second: 20.0,
    };
    for seed in 0..20 {
        for living in 2..=3 {
            let mut world = World::new(fast, living, seed);
            world.sends_at_once = true;
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
            let context = format!("{living} replicas, seed {seed}: {} sent", world.sent());
            assert_eq!(world.portal.rejected, 0, "{context}");
            // 2450 is the whole budget.
            assert!(world.sent() >= 2_000, "{context}");
        }
    }
}

#[test]
fn answers_that_get_lost_now_and_then_lead_to_no_refusal() {
    for seed in 0..8 {
        let mut world = World::new(STANDARD, 3, seed);
        world.late_percent = 2;
        for replica in 0..world.replicas.len() {
            world.calls(replica, Duration::ZERO, 10_000);
        }
        world.run_until(MINUTE * 10);
        let context = format!("seed {seed}: {} sent", world.sent());
        assert!(
            world.portal.rejected == 0,
            "{context}, {} refused",
            world.portal.rejected
        );
        // 1250 is the whole budget.
        assert!(world.sent() >= 1_000, "{context}");
    }
}
