//! Many calls at once, each of its own conversation.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::call::Call;
use super::delivery::{Results, deliver};
use super::record::Record;
use super::sandbox::CHATS;
use super::statistics::median;
use super::testbed::Testbed;

/// How many calls, and how often that is measured.
pub(crate) const ALL: [(usize, usize); 2] = [(500, 5), (5_000, 3)];

pub(crate) async fn measure(bursts: &[(usize, usize)]) {
    println!("### Calls at once\n");
    println!(
        "| calls | median time, s | longest, s | requests | bucket at most | lost | doubled | rejected |\n|---|---|---|---|---|---|---|---|"
    );
    let mut sizes = Vec::new();
    for (calls, runs) in bursts {
        let mut times = Vec::new();
        let (mut requests, mut fullest) = (0, 0.0_f64);
        for _ in 0..*runs {
            let (time, record) = burst(*calls).await;
            times.push(time);
            requests = requests.max(record.requests());
            fullest = fullest.max(record.fullest());
            sizes.push((*calls, record.sizes()));
        }
        let middle = median(&mut times) / 1e3;
        let longest = times.iter().max().unwrap().as_secs_f64();
        println!(
            "| {calls} | {middle:.2} | {longest:.2} | {requests} | {fullest:.1} | 0 | 0 | 0 |"
        );
    }
    println!("\nMessages of each request, in order of arrival:\n");
    for (calls, sizes) in sizes {
        println!("* {calls}: {sizes}");
    }
    println!();
}

/// The time until every caller has its answer, and what the portal did.
async fn burst(calls: usize) -> (Duration, Record) {
    let testbed = Testbed::documented().await;
    let mut callers = JoinSet::new();
    let lines = testbed.connections.len();
    let begun = Instant::now();
    for (line, connection) in testbed.connections.iter().enumerate() {
        let own = (0..calls).filter(|number| number % lines == line);
        let own = own.map(|number| Call {
            portal: 0,
            chat: 1 + i64::try_from(number).unwrap() % CHATS,
            number,
            turn: 0,
            may_be_batched: true,
        });
        callers.spawn(deliver(connection.clone(), own.collect(), calls));
    }
    let mut results = Results::default();
    while let Some(line) = callers.join_next().await {
        results.add(line.unwrap());
    }
    let time = begun.elapsed();
    let record = testbed.portals.record().await;
    record.check(calls, &results);
    assert_eq!(results.retries, 0, "every call is to be answered at once");
    (time, record)
}
