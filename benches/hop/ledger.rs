//! Calls with a `request_id` beside calls without and beside a bare hop, in alternating rounds:
//! what the ledger costs, and how that compares with its bars.

use std::time::Duration;

use super::database;
use super::load::{Load, Round};
use super::pinned;
use super::process::Process;
use super::service::Service;
use super::{start, start_program};

const IN_FLIGHT: [usize; 3] = [1, 16, 64];
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);

pub(crate) fn measure(before: Option<&str>) {
    pinned::move_to_the_other();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let stub = Process::start_self(&["stub"]);
        let portal = stub.addresses()[0];
        let this = std::env::current_exe().unwrap();
        let mut bare = pinned::command(this.to_str().unwrap());
        let bare = Process::start_saying(bare.args(["bare", &portal.to_string()]));
        println!(
            "| store | in flight | bare hop, µs | without, µs | with `request_id`, µs | difference, bare hops | \
             calls/s without | with | kept | p50 without, ms | with | difference |\n\
             |---|---|---|---|---|---|---|---|---|---|---|---|"
        );
        let service = start(None, portal, "").await;
        compare("SQLite", &bare, &service).await;
        drop(service);
        if let Some(program) = before {
            let service = start_program(program, None, portal).await;
            compare("SQLite, before", &bare, &service).await;
        }
        if let Some(database) = database::create().await {
            let service = start(Some(&database), portal, "").await;
            compare("PostgreSQL", &bare, &service).await;
        }
        if let Some(program) = before
            && let Some(database) = database::create().await
        {
            let service = start_program(program, Some(&database), portal).await;
            compare("PostgreSQL, before", &bare, &service).await;
        }
        println!(
            "\nMedians of {ROUNDS} alternating rounds of {} s each. The first three figures are processor time of \
             the process for each call; it has one processor for itself.",
            ROUND.as_secs()
        );
    });
}

async fn compare(store: &str, bare: &Process, service: &Service) {
    let hop = Load::new(bare.addresses()[0], &service.key).await;
    let without = Load::new(service.address, &service.key).await;
    let with = Load::new(service.address, &service.key).await;
    let with = with.with_request_ids();
    let sides = [
        (&hop, bare),
        (&without, &service.process),
        (&with, &service.process),
    ];
    for (load, _) in sides {
        load.round(64, ROUND / 2).await;
    }
    for in_flight in IN_FLIGHT {
        let mut rounds = [Vec::new(), Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            for ((load, process), rounds) in sides.into_iter().zip(&mut rounds) {
                let before = process.processor_time();
                let mut round = load.round(in_flight, ROUND).await;
                round.processor = process.processor_time() - before;
                rounds.push(round);
            }
        }
        let of = |figure: fn(&Round) -> f64| rounds.each_ref().map(|rounds| median(rounds, figure));
        let [bare, cost, keyed_cost] =
            of(|round| round.processor.as_secs_f64() * 1e6 / round.calls as f64);
        let [_, rate, keyed_rate] = of(|round| round.calls as f64 / round.elapsed.as_secs_f64());
        let [_, p50, keyed_p50] = of(|round| round.p50.as_secs_f64() * 1e3);
        println!(
            "| {store} | {in_flight} | {bare:.0} | {cost:.0} | {keyed_cost:.0} | {:+.2} | {rate:.0} | {keyed_rate:.0} | \
             {:.0} % | {p50:.2} | {keyed_p50:.2} | {:+.2} |",
            (keyed_cost - cost) / bare,
            keyed_rate / rate * 100.0,
            keyed_p50 - p50,
        );
    }
}

fn median(rounds: &[Round], figure: impl Fn(&Round) -> f64) -> f64 {
    let mut figures: Vec<f64> = rounds.iter().map(figure).collect();
    figures.sort_unstable_by(f64::total_cmp);
    figures[figures.len() / 2]
}
