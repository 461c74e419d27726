//! Many calls at once, each of its own conversation.

use std::time::Instant;

use tokio::task::JoinSet;

use super::call::Call;
use super::delivery::{Results, deliver};
use super::program::Program;
use super::scene::in_turn;
use super::table::Figure;
use super::testbed::Testbed;

/// So many calls at once, measured so often.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Burst {
    pub(crate) calls: usize,
    pub(crate) runs: usize,
    /// The time that it may take.
    pub(crate) wanted: &'static str,
}

pub(crate) const SMALL: Burst = Burst {
    calls: 500,
    runs: 5,
    wanted: "≤ 1.3",
};
pub(crate) const LARGE: Burst = Burst {
    calls: 5_000,
    runs: 1,
    wanted: "≤ 27",
};

pub(crate) async fn measure(programs: &[Program], burst: Burst) {
    let title = format!("{} calls at once", burst.calls);
    in_turn(&title, programs, burst.runs, async |program| {
        scene(program, burst).await
    })
    .await;
}

async fn scene(program: &Program, burst: Burst) -> Vec<Figure> {
    let testbed = Testbed::documented(program).await;
    let mut callers = JoinSet::new();
    let connections = testbed.connections();
    let begun = Instant::now();
    for (line, connection) in connections.iter().enumerate() {
        let own = (0..burst.calls).filter(|number| number % connections.len() == line);
        let own = own.map(Call::new).collect();
        callers.spawn(deliver(connection.clone(), own, burst.calls));
    }
    let mut results = Results::default();
    while let Some(line) = callers.join_next().await {
        results.add(line.unwrap());
    }
    let time = begun.elapsed().as_secs_f64();
    let record = testbed.portals.record().await;
    record.check(burst.calls, &results);
    assert_eq!(results.retries, 0, "every call is to be answered at once");
    vec![
        Figure::wanted("time, s", burst.wanted, format!("{time:.2}")),
        Figure::of("requests", record.requests()),
        Figure::of(
            "messages of each request, in order of arrival",
            record.sizes(),
        ),
        Figure::of("bucket at most", format!("{:.1}", record.fullest())),
        Figure::wanted("lost, doubled, rejected", "0", 0),
    ]
}
