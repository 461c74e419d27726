//! A portal that was never called before needs as long for a batch as its callers have.

use std::time::Duration;

use sandbox::{Intensity, Limits};

use super::call::Call;
use super::callers::{Tally, at_once};
use super::program::Program;
use super::sandbox::with_latency;
use super::scene::in_turn;
use super::table::Figure;
use super::testbed::{Setup, Testbed};

const RUNS: usize = 3;
const CALLS: usize = 120;
const DEADLINE: Duration = Duration::from_secs(6);
/// What each command takes, and each request besides, in milliseconds.
const COMMAND: u64 = 160;
const REQUEST: u64 = 50;

pub(crate) async fn measure(programs: &[Program]) {
    let title = format!(
        "{CALLS} calls to {CALLS} chats with {} s on a new portal of {COMMAND} ms a command",
        DEADLINE.as_secs()
    );
    in_turn(&title, programs, RUNS, scene).await;
}

async fn scene(program: &Program) -> Vec<Figure> {
    let limits = Limits {
        intensity: Some(Intensity::STANDARD),
        ..with_latency(REQUEST, COMMAND)
    };
    let testbed = Testbed::start(program, Setup::of(vec![limits])).await;
    let calls = (0..CALLS).map(|number| Call {
        deadline: DEADLINE,
        ..Call::new(number)
    });
    let tally = Tally::of(&at_once(&testbed, calls).await);
    let record = testbed.portals.record().await;
    vec![
        Figure::wanted("answered", "≥ 115", tally.answered),
        Figure::wanted("unknown", "0", tally.unknown),
        Figure::wanted("told late", "0", tally.late),
        Figure::of("refused", tally.refused()),
        Figure::of("requests", record.requests()),
    ]
}
