//! One call at a time to a portal that has nothing else to do, through the service and directly.

use std::time::{Duration, Instant};

use super::call::Call;
use super::connection::Outcome;
use super::sandbox::documented;
use super::statistics::{median, percentile};
use super::testbed::Testbed;

/// How many portals are called through the service, and as many directly.
pub(crate) const PORTALS: usize = 5;
/// How many calls each of them gets: fewer than its bucket holds.
const CALLS: usize = 40;

pub(crate) async fn measure(portals: usize) {
    let testbed = Testbed::start(&vec![documented(); 2 * portals]).await;
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
    println!("### One call at a time on a quiet portal\n");
    println!(
        "| milliseconds of {} calls each | through the service | directly |\n|---|---|---|",
        through.len()
    );
    println!(
        "| p50 | {:.2} | {:.2} |",
        median(&mut through),
        median(&mut directly)
    );
    let [of_service, of_portal] = [&mut through, &mut directly].map(|all| percentile(all, 90));
    println!("| p90 | {of_service:.2} | {of_portal:.2} |\n");
}

async fn call(testbed: &Testbed, portal: usize, number: usize) -> Duration {
    let connection = testbed.connection(0);
    let call = Call {
        portal,
        chat: 1 + i64::try_from(number).unwrap(),
        number,
        turn: 0,
        may_be_batched: true,
    };
    let ended = connection.send(call.request(&connection)).await;
    assert!(matches!(ended.outcome, Outcome::Delivered));
    ended.took
}

async fn call_directly(testbed: &Testbed, portal: usize, number: usize) -> Duration {
    let begun = Instant::now();
    let chat = 1 + i64::try_from(number).unwrap();
    testbed.portals.call_directly(portal, chat, "0 0").await;
    begun.elapsed()
}
