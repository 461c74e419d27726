//! Every fifth answer is lost after the portal has executed the call.

use sandbox::Limits;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::call::Call;
use super::delivery::{Results, deliver};
use super::sandbox::{documented, unlimited};
use super::testbed::Testbed;

const CALLS: usize = 500;

pub(crate) async fn measure() {
    println!("### Every fifth answer lost after execution, {CALLS} calls\n");
    println!(
        "| | requests | answers lost | reported OUTCOME_UNKNOWN | reported wrongly | duplicates |\n|---|---|---|---|---|---|"
    );
    let connection = json!({"fault": "close_after", "every": 5});
    let command = json!({"fault": "command_omit_after", "every": 5});
    row("single calls", unlimited(), false, connection.clone()).await;
    row(
        "batches, every fifth without an answer",
        documented(),
        true,
        connection,
    )
    .await;
    row(
        "batches, every fifth command without an answer",
        documented(),
        true,
        command,
    )
    .await;
    println!();
}

async fn row(name: &str, limits: Limits, may_be_batched: bool, fault: Value) {
    let testbed = Testbed::start(&[limits]).await;
    testbed.portals.inject(fault).await;
    let mut callers = JoinSet::new();
    let lines = testbed.connections.len();
    for (line, connection) in testbed.connections.iter().enumerate() {
        let own = (0..CALLS).filter(|number| number % lines == line);
        let own = own.map(|number| Call {
            portal: 0,
            chat: 1 + i64::try_from(number).unwrap(),
            number,
            turn: 0,
            may_be_batched,
        });
        callers.spawn(deliver(connection.clone(), own.collect(), CALLS));
    }
    let mut results = Results::default();
    while let Some(line) = callers.join_next().await {
        results.add(line.unwrap());
    }
    let record = testbed.portals.record().await;
    let findings = record.compare(CALLS, &results);
    assert_eq!(
        (findings.lost, findings.doubled, findings.misreported),
        (0, 0, 0),
        "{name}"
    );
    let (requests, lost) = (record.requests(), record.lost_answers());
    assert!(lost > 0, "the fault hits something");
    println!(
        "| {name} | {requests} | {lost} | {} | 0 | 0 |",
        results.unknown.len()
    );
}
