//! Calls with a `request_id` beside calls without, to the same process in alternating rounds: what
//! the ledger costs.

use std::time::Duration;

use super::database;
use super::load::{Load, Round};
use super::process::Process;
use super::service::Service;
use super::start;

const IN_FLIGHT: [usize; 3] = [1, 16, 64];
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);

pub(crate) fn measure() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let stub = Process::start_self(&["stub"]);
        let portal = stub.addresses()[0];
        println!("| store | in flight | figure | without | with `request_id` | difference |\n|---|---|---|---|---|---|");
        let service = start(None, portal, "").await;
        compare("SQLite", &service).await;
        drop(service);
        if let Some(database) = database::create().await {
            let service = start(Some(&database), portal, "").await;
            compare("PostgreSQL", &service).await;
        }
        println!("\nMedians of {ROUNDS} alternating rounds of {} s each.", ROUND.as_secs());
    });
}

async fn compare(store: &str, service: &Service) {
    let without = Load::new(service.address, &service.key).await;
    let with = Load::new(service.address, &service.key)
        .await
        .with_request_ids();
    for load in [&without, &with] {
        load.round(64, ROUND / 2).await;
    }
    for in_flight in IN_FLIGHT {
        let mut rounds = [Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            for (load, rounds) in [&without, &with].into_iter().zip(&mut rounds) {
                let before = service.process.processor_time();
                let mut round = load.round(in_flight, ROUND).await;
                round.processor = service.process.processor_time() - before;
                rounds.push(round);
            }
        }
        let row = |name: &str, figure: &dyn Fn(&Round) -> f64| {
            let [without, with] = rounds.each_ref().map(|rounds| median(rounds, figure));
            let difference = with - without;
            println!(
                "| {store} | {in_flight} | {name} | {without:.0} | {with:.0} | {difference:+.0} |"
            );
        };
        row("processor time per call, µs", &|round| {
            round.processor.as_secs_f64() * 1e6 / round.calls as f64
        });
        row("p50, µs", &|round| round.p50.as_secs_f64() * 1e6);
        row("calls per second", &|round| {
            round.calls as f64 / round.elapsed.as_secs_f64()
        });
    }
}

fn median(rounds: &[Round], figure: &dyn Fn(&Round) -> f64) -> f64 {
    let mut figures: Vec<f64> = rounds.iter().map(figure).collect();
    figures.sort_unstable_by(f64::total_cmp);
    figures[figures.len() / 2]
}
