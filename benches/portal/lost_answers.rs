//! Every fifth answer is lost after the portal has executed the call.

use std::time::Duration;

use futures_util::future::join_all;
use sandbox::Limits;
use serde_json::{Value, json};

use super::call::Call;
use super::callers::{Tally, at_once};
use super::program::Program;
use super::sandbox::{documented, unlimited};
use super::scene::{in_turn, side_by_side};
use super::table::Figure;
use super::testbed::{Setup, Testbed};

const RUNS: usize = 3;
const CALLS: usize = 500;

/// Calls of a wave, their deadline, and the time from one wave to the next.
const WAVE: usize = 100;
const DEADLINE: Duration = Duration::from_secs(6);
const BETWEEN_WAVES: Duration = Duration::from_secs(2);

pub(crate) async fn measure(programs: &[Program]) {
    let title = format!("Every fifth answer lost after execution, {CALLS} calls at once");
    in_turn(&title, programs, RUNS, async |program| {
        let connection = json!({"fault": "close_after", "every": 5});
        let command = json!({"fault": "command_omit_after", "every": 5});
        let mut figures = scene(
            program,
            "single calls",
            unlimited(),
            false,
            connection.clone(),
        )
        .await;
        let name = "batches without an answer";
        figures.extend(scene(program, name, documented(), true, connection).await);
        let name = "commands of batches without an answer";
        figures.extend(scene(program, name, documented(), true, command).await);
        figures
    })
    .await;
    let title = format!(
        "Every fifth request is not answered, {CALLS} single calls in {} waves",
        CALLS / WAVE
    );
    side_by_side(&title, programs, waves).await;
}

/// Those of a wave that are not answered pass their deadlines at the same time, just before the
/// next wave.
async fn waves(program: &Program) -> Vec<Figure> {
    let testbed = Testbed::start(program, Setup::of(vec![unlimited()])).await;
    let fault = json!({"fault": "silence_after", "every": 5});
    testbed.portals.inject(fault).await;
    let (testbed, mut waves) = (&testbed, Vec::new());
    for (wave, first) in (0..CALLS).step_by(WAVE).enumerate() {
        let calls = (first..first + WAVE).map(|number| Call {
            may_be_batched: false,
            deadline: DEADLINE,
            ..Call::new(number)
        });
        waves.push(async move {
            tokio::time::sleep(BETWEEN_WAVES * u32::try_from(wave).unwrap()).await;
            at_once(testbed, calls).await
        });
    }
    let ended: Vec<_> = join_all(waves).await.into_iter().flatten().collect();
    let tally = Tally::of(&ended);
    let of_breaker = tally.refused_for("PORTAL_NOT_ANSWERING");
    let record = testbed.portals.record().await;
    vec![
        Figure::wanted("refused for the breaker", "0", of_breaker),
        Figure::of("answers lost", record.lost_answers()),
        Figure::of("answered", tally.answered),
        Figure::of("told that they are unknown", tally.unknown),
    ]
}

async fn scene(
    program: &Program,
    name: &str,
    limits: Limits,
    may_be_batched: bool,
    fault: Value,
) -> Vec<Figure> {
    let testbed = Testbed::start(program, Setup::of(vec![limits])).await;
    testbed.portals.inject(fault).await;
    let calls = (0..CALLS).map(|number| Call {
        may_be_batched,
        ..Call::new(number)
    });
    let ended = at_once(&testbed, calls).await;
    let tally = Tally::of(&ended);
    let record = testbed.portals.record().await;
    let findings = record.compare(CALLS, &Tally::results(&ended));
    assert_eq!((findings.doubled, findings.misreported), (0, 0), "{name}");
    let lost = record.lost_answers();
    assert!(lost > 0, "the fault hits something");
    let of_breaker = tally.refused_for("PORTAL_NOT_ANSWERING");
    let named = |what: &str| format!("{name}: {what}");
    vec![
        Figure::wanted(named("refused for the breaker"), "0", of_breaker),
        Figure::of(named("answers lost"), lost),
        Figure::of(named("told that they are unknown"), tally.unknown),
        Figure::of(named("requests"), record.requests()),
    ]
}
