//! Many messages to fewer conversations, each of whose callers sends the next ones before the first
//! is answered.

use std::time::Instant;

use tokio::task::JoinSet;

use super::call::Call;
use super::delivery::{Results, deliver};
use super::program::Program;
use super::scene::in_turn;
use super::table::Figure;
use super::testbed::Testbed;

const MESSAGES: usize = 20_000;
const CONVERSATIONS: usize = 200;
/// How many calls of a conversation are in flight.
const AT_ONCE: usize = 20;

pub(crate) async fn measure(programs: &[Program]) {
    let title = format!(
        "{MESSAGES} messages to {CONVERSATIONS} conversations, {AT_ONCE} of each in flight"
    );
    in_turn(&title, programs, 1, scene).await;
}

async fn scene(program: &Program) -> Vec<Figure> {
    let testbed = Testbed::documented(program).await;
    let begun = Instant::now();
    let mut callers = JoinSet::new();
    for conversation in 0..CONVERSATIONS {
        let own = (0..MESSAGES / CONVERSATIONS).map(|turn| Call {
            chat: 1 + i64::try_from(conversation).unwrap(),
            turn,
            ..Call::new(conversation + turn * CONVERSATIONS)
        });
        let connection = testbed.connection(conversation).clone();
        callers.spawn(deliver(connection, own.collect(), AT_ONCE));
    }
    let mut results = Results::default();
    while let Some(conversation) = callers.join_next().await {
        results.add(conversation.unwrap());
    }
    let time = begun.elapsed().as_secs_f64();
    let process = &testbed.service().process;
    let memory = process.resident_kib() / 1024;
    let per_call = process.processor_time().as_secs_f64() * 1e6 / MESSAGES as f64;
    let record = testbed.portals.record().await;
    record.check(MESSAGES, &results);
    vec![
        Figure::of("time, s", format!("{time:.1}")),
        Figure::of("requests", record.requests()),
        Figure::of("bucket at most", format!("{:.1}", record.fullest())),
        Figure::of("refused with RetryInfo, and sent again", results.retries),
        Figure::wanted(
            "lost, doubled, rejected by the portal, out of order",
            "0",
            0,
        ),
        Figure::of(
            "processor time of the service per call, µs",
            format!("{per_call:.0}"),
        ),
        Figure::of("memory of the service at the end, MiB", memory),
    ]
}
