//! Every fifth answer is lost after the portal has executed the call.

use sandbox::Limits;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::call::Call;
use super::delivery::{Told, deliver};
use super::place::Place;
use super::sandbox::{documented, unlimited};

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
    let place = Place::start(&[limits]).await;
    place.portals.inject(fault).await;
    let mut callers = JoinSet::new();
    let lines = place.connections.len();
    for (line, connection) in place.connections.iter().enumerate() {
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
    let mut told = Told::default();
    while let Some(line) = callers.join_next().await {
        told.add(line.unwrap());
    }
    let books = place.portals.books().await;
    let fate = books.compare(CALLS, &told);
    assert_eq!(
        (fate.lost, fate.doubled, fate.misreported),
        (0, 0, 0),
        "{name}"
    );
    let (requests, lost) = (books.requests(), books.lost_answers());
    assert!(lost > 0, "the fault hits something");
    println!(
        "| {name} | {requests} | {lost} | {} | 0 | 0 |",
        told.unknown.len()
    );
}
