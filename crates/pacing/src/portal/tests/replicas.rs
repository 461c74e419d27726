//! Callers in a loop at a portal that takes fewer requests than they have, for one replica and for
//! several that share the portal.

mod world;

use std::time::Duration;

use self::world::{Told, World};

const LASTS: Duration = Duration::from_secs(600);

#[test]
fn callers_at_the_limit_of_a_portal_are_hardly_ever_told_unknown_of_an_executed_call() {
    for replicas in 1..=3 {
        for seed in 0..4 {
            let world = World::new(replicas, 40, seed).run(LASTS);
            let Told {
                executed, unknown, ..
            } = world.told;
            let context = format!("{replicas} replicas, seed {seed}: {:?}", world.told);
            assert!(unknown * 100 <= executed, "{context}");
            assert_eq!(world.rejected, 0, "{context}");
            // What the portal takes in that time.
            assert!(executed * 100 >= (50 + 2 * 600) * 97, "{context}");
        }
    }
}
