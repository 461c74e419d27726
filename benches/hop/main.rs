//! The service beside a bare hop: processor time for each call, latency, memory, start.
//!
//! `cargo bench --bench hop` starts an upstream stub, the real program with everything on, and a
//! bare tonic + reqwest hop, each as a process of its own, and loads the two in alternating rounds
//! of one run. It prints Markdown for docs/performance.md. `cargo bench --bench hop -- --short`
//! takes a few seconds; `cargo bench --bench hop -- --tenants` compares ten stored tenants with
//! 100,000; `cargo bench --bench hop -- --ledger` compares calls with and without a `request_id`;
//! `cargo bench --bench hop -- --listed` starts with a tenants file of 50,000;
//! `cargo bench --bench hop -- --portals` calls ten portals and 100,000;
//! `cargo bench --bench hop -- --workers` compares threads with connections of their own with
//! threads that share all work. Each program that is compared runs on one processor, load and
//! upstream on another.
//! With `--before PROGRAM`, a binary of an earlier commit, the first two measure that program too,
//! in the same rounds, and `--ledger` after this one.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a measurement stops when something is wrong, and prints its result"
)]

mod bare;
#[path = "../programs/certificate.rs"]
#[expect(dead_code, reason = "another benchmark makes one")]
mod certificate;
#[path = "../programs/database.rs"]
mod database;
mod ledger;
mod listed;
mod load;
#[expect(dead_code, reason = "another benchmark uses both processors")]
#[path = "../programs/pinned.rs"]
mod pinned;
mod portals;
#[path = "../programs/process.rs"]
mod process;
mod report;
#[path = "../programs/service.rs"]
mod service;
#[path = "../programs/stored.rs"]
mod stored;
mod stub;
mod tenants;
mod workers;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use load::{Load, Round};
use process::Process;
use report::Report;
use service::{Files, OURS, Service, free_address};

/// Calls in flight at the same time.
const IN_FLIGHT: [usize; 3] = [1, 16, MOST_IN_FLIGHT];
/// Where the cost of traces and log lines is measured too.
const MOST_IN_FLIGHT: usize = 64;

/// How long and how often is measured.
struct Plan {
    rounds: usize,
    round: Duration,
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (mut mode, mut before) = (None, None);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--bench" => {}
            "--before" => before = arguments.next(),
            "bare" => return bare::run(&arguments.next().unwrap(), false),
            _ => mode = Some(argument),
        }
    }
    match mode.as_deref() {
        Some("stub") => stub::run(None),
        Some("--ledger") => ledger::measure(before.as_deref()),
        Some("--workers") => workers::measure(),
        Some("--listed") => listed::measure(),
        Some("--portals") => portals::measure(),
        Some("--tenants") => tenants::measure(),
        Some("--short") => {
            let plan = Plan {
                rounds: 3,
                round: Duration::from_millis(700),
            };
            measure(&plan, before.as_deref());
        }
        None => {
            let plan = Plan {
                rounds: 9,
                round: Duration::from_secs(3),
            };
            measure(&plan, before.as_deref());
        }
        Some(other) => {
            panic!(
                "{other}: give --short, --ledger, --listed, --portals, --tenants, --workers or nothing"
            )
        }
    }
}

fn measure(plan: &Plan, before: Option<&str>) {
    pinned::move_to_the_other();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let stub = Process::start_self(&["stub"]);
        let [portal, collector] = stub.addresses()[..] else {
            panic!("the stub has two addresses");
        };
        let traces =
            format!("telemetry: {{otlp_endpoint: 'http://{collector}', sample_percent: 10}}\n");
        let written = files(None, portal, &traces);
        let begun = Instant::now();
        let service = start_pinned(&written).await;
        let took = begun.elapsed();
        let untraced = start(None, portal, "").await;
        let silent = start(None, portal, "log: {filter: 'off'}\n").await;
        let this = std::env::current_exe().unwrap();
        let mut bare = pinned::command(this.to_str().unwrap());
        let bare = Process::start_saying(bare.args(["bare", &portal.to_string()]));
        let earlier = match before {
            Some(program) => Some(start_before(program, portal, &traces).await),
            None => None,
        };

        let mut report = Report::new();
        report.start = took;
        report.service.idle_kib = service.process.resident_kib();
        report.bare.idle_kib = bare.resident_kib();
        let service_load = Load::new(service.address, &service.key).await;
        let bare_load = Load::new(bare.addresses()[0], &service.key).await;
        let untraced_load = Load::new(untraced.address, &untraced.key).await;
        let silent_load = Load::new(silent.address, &silent.key).await;
        // Connections, caches and the allocator reach their working size.
        let loads = [&service_load, &bare_load, &untraced_load, &silent_load];
        for load in loads
            .into_iter()
            .chain(earlier.as_ref().map(|(_, load)| load))
        {
            load.round(MOST_IN_FLIGHT, plan.round / 2).await;
        }
        for in_flight in IN_FLIGHT {
            for _ in 0..plan.rounds {
                let round = measured(&service_load, &service.process, in_flight, plan).await;
                report.service.add(in_flight, round);
                let round = measured(&bare_load, &bare, in_flight, plan).await;
                report.bare.add(in_flight, round);
                if let Some((earlier, load)) = &earlier {
                    let round = measured(load, &earlier.process, in_flight, plan).await;
                    report.before.add(in_flight, round);
                }
                if in_flight == MOST_IN_FLIGHT {
                    let round = measured(&untraced_load, &untraced.process, in_flight, plan).await;
                    report.untraced.add(in_flight, round);
                    let round = measured(&silent_load, &silent.process, in_flight, plan).await;
                    report.silent.add(in_flight, round);
                }
            }
        }
        report.service.loaded_kib = service.process.resident_kib();
        report.bare.loaded_kib = bare.resident_kib();
        report.print(plan.rounds);
    });
}

async fn measured(load: &Load, process: &Process, in_flight: usize, plan: &Plan) -> Round {
    let before = process.processor_time();
    let mut round = load.round(in_flight, plan.round).await;
    round.processor = process.processor_time() - before;
    round
}

/// What a service is started with that has a tenant in its file, on this store or on one of its
/// own, and `more` settings.
fn files(store_url: Option<&str>, portal: SocketAddr, more: &str) -> Arc<Files> {
    Files::write(store_url, &tenant(portal), more)
}

/// The tenant of the load, as the tenants file has it.
fn tenant(portal: SocketAddr) -> String {
    format!(
        "- {{id: hook, portal: 'http://{portal}', webhook: {{user_id: 1, secret: {{inline: secret}}}}}}\n"
    )
}

/// Starts it on the processor of the measured.
async fn start_pinned(files: &Arc<Files>) -> Service {
    let command = pinned::command(OURS);
    files.start_by(command, free_address()).await
}

async fn start(store_url: Option<&str>, portal: SocketAddr, more: &str) -> Service {
    start_pinned(&files(store_url, portal, more)).await
}

/// An earlier program.
async fn start_program(program: &str, store_url: Option<&str>, portal: SocketAddr) -> Service {
    let command = pinned::command(program);
    let files = files(store_url, portal, "");
    files.start_by(command, free_address()).await
}

/// An earlier program with everything on, and its load.
async fn start_before(program: &str, portal: SocketAddr, traces: &str) -> (Service, Load) {
    let files = files(None, portal, traces);
    let service = files
        .start_by(pinned::command(program), free_address())
        .await;
    let load = Load::new(service.address, &service.key).await;
    (service, load)
}
