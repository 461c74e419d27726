//! One call at a time to a portal that has nothing else to do, through the service and directly.

use std::time::{Duration, Instant};

use super::call::Call;
use super::connection::Outcome;
use super::program::Program;
use super::sandbox::documented;
use super::scene::in_turn;
use super::statistics::{median, percentile};
use super::table::Figure;
use super::testbed::{Setup, Testbed};

/// How many portals are called through the service, and as many directly.
pub(crate) const PORTALS: usize = 2;
/// How many calls each of them gets: fewer than its bucket holds.
const CALLS: usize = 40;

pub(crate) async fn measure(programs: &[Program], portals: usize) {
    let title = format!(
        "One call at a time on a quiet portal, {} calls",
        portals * CALLS
    );
    in_turn(&title, programs, 1, async |program| {
        scene(program, portals).await
    })
    .await;
}

async fn scene(program: &Program, portals: usize) -> Vec<Figure> {
    let setup = Setup::of(vec![documented(); 2 * portals]);
    let testbed = Testbed::start(program, setup).await;
    let (mut through, mut directly) = (Vec::new(), Vec::new());
    for portal in 0..portals {
        for number in 0..=CALLS {
            let order = if number % 2 == 0 {
                [true, false]
            } else {
                [false, true]
            };
            for is_through in order {
                let took = if is_through {
                    call(&testbed, portal, number).await
                } else {
                    call_directly(&testbed, portals + portal, number).await
                };
                // The first ones open the connections.
                match (number, is_through) {
                    (0, _) => {}
                    (_, true) => through.push(took),
                    (_, false) => directly.push(took),
                }
            }
        }
    }
    let mut figures = Vec::new();
    for (name, latencies) in [
        ("through the service", &mut through),
        ("directly", &mut directly),
    ] {
        let p50 = format!("{:.2}", median(latencies));
        let p90 = format!("{:.2}", percentile(latencies, 90));
        figures.push(Figure::of(format!("{name}: p50, ms"), p50));
        figures.push(Figure::of(format!("{name}: p90, ms"), p90));
    }
    figures
}

async fn call(testbed: &Testbed, portal: usize, number: usize) -> Duration {
    let connection = testbed.connection(0);
    let call = Call {
        portal,
        ..Call::new(number)
    };
    let ended = connection.send(call.request(connection)).await;
    assert!(matches!(ended.outcome, Outcome::Delivered));
    ended.took
}

async fn call_directly(testbed: &Testbed, portal: usize, number: usize) -> Duration {
    let begun = Instant::now();
    let chat = 1 + i64::try_from(number).unwrap();
    testbed.portals.call_directly(portal, chat, "0 0").await;
    begun.elapsed()
}
