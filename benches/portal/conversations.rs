//! Many messages to fewer conversations, each of whose callers sends the next ones before the first
//! is answered.

use std::time::Instant;

use tokio::task::JoinSet;

use super::call::Call;
use super::delivery::{Results, deliver};
use super::testbed::Testbed;

const MESSAGES: usize = 20_000;
const CONVERSATIONS: usize = 200;
/// How many calls of a conversation are in flight.
const AT_ONCE: usize = 20;

pub(crate) async fn measure() {
    let testbed = Testbed::documented().await;
    let begun = Instant::now();
    let mut callers = JoinSet::new();
    for conversation in 0..CONVERSATIONS {
        let own = (0..MESSAGES / CONVERSATIONS).map(|turn| Call {
            portal: 0,
            chat: 1 + i64::try_from(conversation).unwrap(),
            number: conversation + turn * CONVERSATIONS,
            turn,
            may_be_batched: true,
        });
        let connection = testbed.connection(conversation);
        callers.spawn(deliver(connection, own.collect(), AT_ONCE));
    }
    let mut results = Results::default();
    while let Some(conversation) = callers.join_next().await {
        results.add(conversation.unwrap());
    }
    let time = begun.elapsed().as_secs_f64();
    let process = &testbed.service.process;
    let memory = process.resident_kib() / 1024;
    let per_call = process.processor_time().as_secs_f64() * 1e6 / MESSAGES as f64;
    let record = testbed.portals.record().await;
    record.check(MESSAGES, &results);
    let (requests, fullest) = (record.requests(), record.fullest());
    let retries = results.retries;
    println!(
        "### {MESSAGES} messages to {CONVERSATIONS} conversations, {AT_ONCE} of each in flight\n"
    );
    println!("| figure | |\n|---|---|");
    println!("| time, s | {time:.1} |");
    println!("| requests | {requests} |");
    println!("| bucket at most | {fullest:.1} |");
    println!("| refused by the service with RetryInfo, and sent again | {retries} |");
    println!("| lost, doubled, rejected by the portal, out of order | 0, 0, 0, 0 |");
    println!("| processor time of the service per call, µs | {per_call:.0} |");
    println!("| memory of the service at the end, MiB | {memory} |\n");
}
