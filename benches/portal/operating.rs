//! More calls at once than the operating time of their method lasts for.

use sandbox::{Intensity, Limits};
use serde_json::json;

use super::call::Call;
use super::callers::{Tally, at_once};
use super::program::Program;
use super::sandbox::unlimited;
use super::scene::in_turn;
use super::table::Figure;
use super::testbed::{Setup, Testbed};

const CALLS: usize = 500;
/// The operating time of each, in seconds: 240 calls are all that ten minutes have.
const SECONDS: f64 = 2.0;

pub(crate) async fn measure(programs: &[Program]) {
    let title = format!("{CALLS} calls at once of {SECONDS} s operating time, of 480 s");
    in_turn(&title, programs, 1, async |program| {
        let mut figures = Vec::new();
        for charged in ["commands", "batch"] {
            figures.extend(scene(program, charged).await);
        }
        figures
    })
    .await;
}

/// With operating time charged to each command's method, or to `batch`.
async fn scene(program: &Program, charged: &str) -> Vec<Figure> {
    let limits = Limits {
        intensity: Some(Intensity::STANDARD),
        operating_seconds_per_call: Some(SECONDS),
        ..unlimited()
    };
    let testbed = Testbed::start(program, Setup::of(vec![limits])).await;
    let switches = json!({"batch_charging": charged});
    testbed.portals.switch(switches).await;
    let tally = Tally::of(&at_once(&testbed, (0..CALLS).map(Call::new)).await);
    let record = testbed.portals.record().await;
    let refused = record.refused_with("OPERATION_TIME_LIMIT");
    let name = |what: &str| format!("charged to {charged}: {what}");
    vec![
        Figure::wanted(name("refused by the portal"), "≤ 5", refused),
        Figure::of(name("answered"), tally.answered),
        Figure::of(name("told that they were refused"), tally.refused()),
        Figure::wanted(name("unknown"), "0", tally.unknown),
    ]
}
