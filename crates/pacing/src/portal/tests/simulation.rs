//! Hours of random calls: the state machine decides, a model of the portal counts, and time is
//! simulated.
//!
//! `OPENLINES_TEST_HOURS` is the number of hours, each with a seed of its own; failures name
//! theirs.

mod model;
mod totals;
mod traffic;
mod world;

use std::time::Duration;

use self::traffic::Traffic;
use self::world::World;

const HOUR: Duration = Duration::from_secs(3600);
/// At full load every second has hundreds of calls.
const AT_FULL_LOAD: Duration = Duration::from_secs(900);

fn seeds() -> u64 {
    std::env::vars_os()
        .find(|(name, _)| name == "OPENLINES_TEST_HOURS")
        .and_then(|(_, value)| value.to_str()?.parse().ok())
        .unwrap_or(2)
}

/// Runs this long for each seed and returns the worlds at their ends. Every world checks after each
/// event that the portal rejects nothing, that no conversation is in flight twice or out of order,
/// and that the queue is bounded.
fn worlds(traffic: Traffic, span: Duration) -> Vec<World> {
    let run = |seed| World::new(seed, traffic.clone()).run(span);
    (0..seeds()).map(run).collect()
}

fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap())
}

#[test]
fn under_every_load_no_budget_is_exceeded_and_every_call_ends() {
    for world in worlds(Traffic::weather(), HOUR) {
        let (seed, totals) = (world.seed, &world.totals);
        assert_eq!(totals.came, totals.ended(), "seed {seed}: {totals:?}");
        // Admission promises to send in time. Later bursts may push bulk back.
        assert!(
            totals.expired * 50 <= totals.came,
            "seed {seed}: {totals:?}"
        );
    }
}

#[test]
fn at_full_load_the_whole_budget_is_used_and_every_tenant_gets_a_share() {
    for world in worlds(Traffic::overload(), AT_FULL_LOAD) {
        let requests = number(world.portal.accepted);
        let budget = 50.0 + 2.0 * AT_FULL_LOAD.as_secs_f64();
        let share = requests / budget;
        assert!(share >= 0.97, "seed {}: {share}", world.seed);
        let each = number(world.totals.delivered) / requests;
        assert!(
            each >= 42.0,
            "seed {}: {each} calls in a request",
            world.seed
        );
        shares_are_fair(&world);
    }
}

fn shares_are_fair(world: &World) {
    let seed = world.seed;
    let mut by_tenant: Vec<usize> = world.totals.by_tenant.values().copied().collect();
    by_tenant.sort_unstable();
    let (least, most) = (by_tenant[0], by_tenant[by_tenant.len() - 1]);
    assert!(
        least * 10 >= most * 8,
        "seed {seed}: {:?}",
        world.totals.by_tenant
    );
    let bulk = number(world.totals.bulk) / number(world.totals.delivered);
    assert!((0.08..0.3).contains(&bulk), "seed {seed}: {bulk}");
}

#[test]
fn while_another_client_uses_the_bucket_rejections_stay_few_and_nothing_is_lost() {
    for world in worlds(Traffic::shared_with_others(), HOUR) {
        let (seed, totals) = (world.seed, &world.totals);
        assert_eq!(totals.came, totals.ended(), "seed {seed}: {totals:?}");
        let (rejected, accepted) = (world.portal.rejected, world.portal.accepted);
        assert!(
            rejected * 4 <= accepted,
            "seed {seed}: {rejected} of {accepted}"
        );
    }
}

#[test]
fn on_a_slow_portal_callers_in_a_hurry_are_hardly_ever_told_unknown() {
    for world in worlds(Traffic::slow(), HOUR) {
        let (seed, totals) = (world.seed, &world.totals);
        assert_eq!(totals.came, totals.ended(), "seed {seed}: {totals:?}");
        assert!(
            totals.unknown * 100 <= totals.came,
            "seed {seed}: {totals:?}"
        );
        assert_eq!(totals.by_breaker, 0, "seed {seed}: {totals:?}");
    }
}

#[test]
fn a_portal_that_answers_four_of_five_requests_is_never_taken_to_be_away() {
    for world in worlds(Traffic::lossy(), HOUR) {
        let (seed, totals) = (world.seed, &world.totals);
        assert_eq!(totals.came, totals.ended(), "seed {seed}: {totals:?}");
        assert_eq!(totals.by_breaker, 0, "seed {seed}: {totals:?}");
    }
}

#[test]
fn a_portal_that_hung_is_used_again_within_three_seconds() {
    for world in worlds(Traffic::hanging(), HOUR) {
        let (seed, totals) = (world.seed, &world.totals);
        assert_eq!(totals.came, totals.ended(), "seed {seed}: {totals:?}");
        // The calls end with the last hang.
        assert!(totals.recoveries.len() >= 11, "seed {seed}: {totals:?}");
        let longest = totals.recoveries.iter().max().unwrap();
        assert!(
            *longest <= Duration::from_secs(3),
            "seed {seed}: {:?}",
            totals.recoveries
        );
    }
}
