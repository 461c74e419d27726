//! A portal that hangs, and what its neighbour notices of it.

use std::time::{Duration, Instant};

use sandbox::Limits;
use serde_json::json;
use tokio::task::JoinSet;

use super::call::Call;
use super::program::Program;
use super::sandbox::{Portals, unlimited};
use super::statistics::{median, percentile};
use super::testbed::{Setup, Testbed};

const ROUNDS: usize = 3;
/// How long a portal hangs.
const HANGS: Duration = Duration::from_secs(60);
/// The rounds between.
const WITHOUT: Duration = Duration::from_secs(30);

/// Callers of the measured portal, each with one call after the other.
const CALLERS: usize = 8;
/// The pause between two calls of one of them: what is measured is not to be the processor.
const PAUSE: Duration = Duration::from_millis(10);
/// The time between two calls to the neighbour, answered or not.
const NEIGHBOURS_CALLS: Duration = Duration::from_millis(50);

/// What the measured portal's neighbour does.
#[derive(Clone, Copy, PartialEq)]
enum Neighbour {
    Idle,
    Answers,
    Hangs,
}

const MEASURED: usize = 0;

pub(crate) async fn measure(programs: &[Program]) {
    for program in programs {
        scene(program).await;
    }
}

async fn scene(program: &Program) {
    // The measured portal answers at once, so that nothing hides a delay; each round of a neighbour
    // has a portal of its own.
    let mut limits = vec![Limits::default()];
    limits.resize(1 + 2 * ROUNDS, unlimited());
    let testbed = Testbed::start(program, Setup::of(limits)).await;
    let (name, seconds) = (program.name, HANGS.as_secs());
    println!("### {name}: the neighbour of a portal that hangs for {seconds} s\n");
    println!("| round | the other portal | calls | p50, ms | p99, ms |\n|---|---|---|---|---|");
    let mut next = MEASURED + 1;
    for round in 1..=ROUNDS {
        for neighbour in [Neighbour::Idle, Neighbour::Hangs, Neighbour::Answers] {
            let (name, duration) = match neighbour {
                Neighbour::Idle => ("is not called", WITHOUT),
                Neighbour::Answers => ("is called and answers", WITHOUT),
                Neighbour::Hangs => ("is called and hangs", HANGS),
            };
            if neighbour == Neighbour::Hangs {
                let fault = json!({"fault": "silence_before", "always": true, "portal": Portals::host(next)});
                testbed.portals.inject(fault).await;
            }
            let load = (neighbour != Neighbour::Idle).then(|| load(&testbed, next));
            let mut latencies = latencies(&testbed, duration).await;
            if let Some(mut load) = load {
                load.abort_all();
                next += 1;
            }
            let (p50, p99) = (median(&mut latencies), percentile(&mut latencies, 99));
            println!(
                "| {round} | {name} | {} | {p50:.2} | {p99:.2} |",
                latencies.len()
            );
        }
    }
    println!();
}

/// Calls the neighbour again and again until it is aborted.
fn load(testbed: &Testbed, portal: usize) -> JoinSet<()> {
    let connection = testbed.connection(CALLERS).clone();
    let mut load = JoinSet::new();
    load.spawn(async move {
        let mut answers = JoinSet::new();
        let mut ticks = tokio::time::interval(NEIGHBOURS_CALLS);
        for number in 0.. {
            ticks.tick().await;
            let call = call(portal, number);
            // Whatever the answer is, if there is one.
            answers.spawn(connection.send(call.request(&connection)));
        }
    });
    load
}

async fn latencies(testbed: &Testbed, duration: Duration) -> Vec<Duration> {
    let end = Instant::now() + duration;
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let connection = testbed.connection(caller).clone();
        callers.spawn(async move {
            let mut latencies = Vec::new();
            while Instant::now() < end {
                let call = call(MEASURED, caller);
                latencies.push(connection.send(call.request(&connection)).await.took);
                tokio::time::sleep(PAUSE).await;
            }
            latencies
        });
    }
    callers.join_all().await.into_iter().flatten().collect()
}

fn call(portal: usize, number: usize) -> Call {
    Call {
        portal,
        ..Call::new(number)
    }
}
