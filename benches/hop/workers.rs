//! Threads with connections of their own beside threads that share all work, on one processor and
//! on two.

use std::net::SocketAddr;
use std::time::Duration;

use super::load::{Load, Round};
use super::process::Process;
use super::service::{Files, OURS, Service, free_address};
use super::{IN_FLIGHT, pinned, tenant};

/// Connections of the callers.
const CONNECTIONS: [usize; 2] = [1, 8];
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_millis(1500);
/// Callers on the one busy connection, and other connections with one caller each.
const UNEVEN: (usize, usize) = (57, 7);

/// A service with so many workers, and clients of it.
struct Measured {
    workers: usize,
    service: Service,
    loads: Vec<Load>,
    busy: Load,
}

pub(crate) fn measure() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    println!(
        "| processors | workers | connections | in flight | processor time per call, µs | calls per second | p50, µs | p99, µs |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    runtime.block_on(async {
        for (processors, list) in [(1, "0"), (2, "0,1")] {
            let stub = Process::start_self(&["stub"]);
            let [portal, collector] = stub.addresses()[..] else {
                panic!("the stub has two addresses");
            };
            let mut all = Vec::new();
            for workers in [0, processors] {
                all.push(Measured::start(workers, list, portal, collector).await);
            }
            for which in 0..CONNECTIONS.len() {
                for in_flight in IN_FLIGHT {
                    even(processors, &all, which, in_flight).await;
                }
            }
            uneven(processors, &all).await;
        }
        both().await;
    });
}

/// One processor beside two, in alternating rounds: what the second one is worth. Load and upstream
/// need processors, too, so calls per second do not tell it; processor time per call does.
async fn both() {
    let stub = Process::start_self(&["stub"]);
    let [portal, collector] = stub.addresses()[..] else {
        panic!("the stub has two addresses");
    };
    let one = Measured::start(1, "0", portal, collector).await;
    let two = Measured::start(2, "0,1", portal, collector).await;
    let (mut rounds, in_flight) = ([Vec::new(), Vec::new()], super::MOST_IN_FLIGHT);
    for _ in 0..2 * ROUNDS {
        for (rounds, measured) in rounds.iter_mut().zip([&one, &two]) {
            rounds.push(measured.round(&measured.loads[1], in_flight).await);
        }
    }
    let [one, two] = rounds.map(|rounds| {
        median(&rounds, |r| {
            r.processor.as_secs_f64() * 1e6 / r.calls as f64
        })
    });
    println!(
        "\nAt {in_flight} in flight over {} connections a call takes {one:.1} µs of one processor and {two:.1} µs of \
         two: two make {:.2} times the calls of one.",
        CONNECTIONS[1],
        2.0 * one / two
    );
}

impl Measured {
    async fn start(workers: usize, list: &str, portal: SocketAddr, collector: SocketAddr) -> Self {
        let more =
            format!("telemetry: {{otlp_endpoint: 'http://{collector}', sample_percent: 10}}\n");
        let server = format!("workers: {workers}");
        let files = Files::write_with_more(&server, "", None, &tenant(portal), &more);
        let service = files
            .start_by(pinned::command_on(list, OURS), free_address())
            .await;
        let over = |connections| {
            let tenants = vec!["hook".to_owned()];
            Load::over(connections, service.address, &service.key, tenants)
        };
        let mut loads = Vec::new();
        for connections in CONNECTIONS {
            loads.push(over(connections).await);
        }
        let busy = over(1).await;
        Self {
            workers,
            service,
            loads,
            busy,
        }
    }

    async fn round(&self, load: &Load, in_flight: usize) -> Round {
        let before = self.service.process.processor_time();
        let mut round = load.round(in_flight, ROUND).await;
        round.processor = self.service.process.processor_time() - before;
        round
    }
}

/// As many callers on each connection.
async fn even(processors: usize, all: &[Measured], which: usize, in_flight: usize) {
    let mut rounds = vec![Vec::new(); all.len()];
    for _ in 0..ROUNDS {
        for (rounds, measured) in rounds.iter_mut().zip(all) {
            rounds.push(measured.round(&measured.loads[which], in_flight).await);
        }
    }
    for (rounds, measured) in rounds.iter().zip(all) {
        let connections = CONNECTIONS[which];
        let per_call = median(rounds, |r| r.processor.as_secs_f64() * 1e6 / r.calls as f64);
        let throughput = median(rounds, |r| r.calls as f64 / r.elapsed.as_secs_f64());
        let workers = measured.workers;
        println!(
            "| {processors} | {workers} | {connections} | {in_flight} | {per_call:.1} | {throughput:.0} | {} |",
            latencies(rounds),
        );
    }
}

/// Most callers on one connection: how long the calls on the others take.
async fn uneven(processors: usize, all: &[Measured]) {
    let (busy, others) = UNEVEN;
    let mut rounds = vec![Vec::new(); all.len()];
    for _ in 0..ROUNDS {
        for (rounds, measured) in rounds.iter_mut().zip(all) {
            let heavy = measured.busy.round(busy, ROUND);
            let light = measured.loads[1].round(others, ROUND);
            rounds.push(tokio::join!(light, heavy).0);
        }
    }
    for (rounds, measured) in rounds.iter().zip(all) {
        println!(
            "| {processors} | {} | {others} beside a busy one | {others} beside {busy} | | | {} |",
            measured.workers,
            latencies(rounds),
        );
    }
}

fn latencies(rounds: &[Round]) -> String {
    let p50 = median(rounds, |round| round.p50.as_secs_f64() * 1e6);
    let p99 = median(rounds, |round| round.p99.as_secs_f64() * 1e6);
    format!("{p50:.0} | {p99:.0}")
}

fn median(rounds: &[Round], figure: impl Fn(&Round) -> f64) -> f64 {
    let mut figures: Vec<f64> = rounds.iter().map(figure).collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
