//! Many calls to few conversations, all at once: the first call of each, the second of each, and so
//! on.

use std::time::Instant;

use super::call::Call;
use super::callers::{Tally, at_once};
use super::program::Program;
use super::scene::in_turn;
use super::table::Figure;
use super::testbed::Testbed;

const RUNS: usize = 3;
const CONVERSATIONS: usize = 20;
/// Calls to each of them.
const CALLS: usize = 20;

pub(crate) async fn measure(programs: &[Program]) {
    let title = format!("{CONVERSATIONS} conversations of {CALLS} calls at once");
    in_turn(&title, programs, RUNS, scene).await;
}

async fn scene(program: &Program) -> Vec<Figure> {
    let testbed = Testbed::documented(program).await;
    let begun = Instant::now();
    let calls = (0..CONVERSATIONS * CALLS).map(|number| Call {
        chat: 1 + i64::try_from(number % CONVERSATIONS).unwrap(),
        turn: number / CONVERSATIONS,
        ..Call::new(number)
    });
    let ended = at_once(&testbed, calls).await;
    let time = begun.elapsed().as_secs_f64();
    let tally = Tally::of(&ended);
    let record = testbed.portals.record().await;
    record.check(CONVERSATIONS * CALLS, &Tally::results(&ended));
    vec![
        Figure::wanted("time, s", "≤ 2.5", format!("{time:.2}")),
        Figure::wanted("answered", "400", tally.answered),
        Figure::of("requests", record.requests()),
        Figure::of("bucket at most", format!("{:.1}", record.fullest())),
        Figure::wanted("lost, doubled, out of order", "0", 0),
    ]
}
