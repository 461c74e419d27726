//! Hours of a portal's time with calls at random: the state decides, a model of the portal counts, and no clock runs.
//!
//! `OPENLINES_TEST_HOURS` says how many hours are tried, each with a seed of its own; a failing one is named.

mod model;
mod world;

use self::world::{Plan, World};
use super::*;

const HOUR: Duration = Duration::from_secs(3600);
/// At full load every second has hundreds of calls.
const AT_FULL_LOAD: Duration = Duration::from_secs(900);

fn seeds() -> u64 {
    std::env::vars_os()
        .find(|(name, _)| name == "OPENLINES_TEST_HOURS")
        .and_then(|(_, value)| value.to_str()?.parse().ok())
        .unwrap_or(2)
}

/// Runs so long for each seed and gives the worlds at their ends. Every world checks after each event that the portal refuses
/// nothing, that no conversation is in the air twice or out of order, and that the queue is bounded.
fn worlds(plan: Plan, span: Duration) -> Vec<World> {
    let run = |seed| World::new(seed, plan.clone()).run(span);
    (0..seeds()).map(run).collect()
}

fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap())
}

#[test]
fn under_every_load_no_budget_is_exceeded_and_every_call_ends() {
    for world in worlds(Plan::weather(), HOUR) {
        let seed = world.seed;
        let told = world.told;
        assert_eq!(
            told.came,
            told.delivered + told.refused + told.expired,
            "seed {seed}: {told:?}"
        );
        // What was let in was promised to be sent in time. Bursts that come later may push bulk back.
        assert!(told.expired * 50 <= told.came, "seed {seed}: {told:?}");
    }
}

#[test]
fn at_full_load_the_whole_budget_is_used_and_everybody_gets_a_share() {
    for world in worlds(Plan::overload(), AT_FULL_LOAD) {
        let requests = number(world.portal.accepted);
        let budget = 50.0 + 2.0 * AT_FULL_LOAD.as_secs_f64();
        let share = requests / budget;
        assert!(share >= 0.97, "seed {}: {share}", world.seed);
        let each = number(world.told.delivered) / requests;
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
    let mut by_tenant: Vec<usize> = world.told.by_tenant.values().copied().collect();
    by_tenant.sort_unstable();
    let (least, most) = (by_tenant[0], by_tenant[by_tenant.len() - 1]);
    assert!(
        least * 10 >= most * 8,
        "seed {seed}: {:?}",
        world.told.by_tenant
    );
    let bulk = number(world.told.bulk) / number(world.told.delivered);
    assert!((0.08..0.3).contains(&bulk), "seed {seed}: {bulk}");
}

#[test]
fn while_others_use_the_bucket_too_refusals_stay_few_and_nothing_is_lost() {
    for world in worlds(Plan::shared_with_others(), HOUR) {
        let (seed, told) = (world.seed, &world.told);
        assert_eq!(
            told.came,
            told.delivered + told.refused + told.expired,
            "seed {seed}: {told:?}"
        );
        let (refused, accepted) = (world.portal.rejected, world.portal.accepted);
        assert!(
            refused * 4 <= accepted,
            "seed {seed}: {refused} of {accepted}"
        );
    }
}
