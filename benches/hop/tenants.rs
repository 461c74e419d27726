//! Ten stored tenants beside 100,000: memory, processor time for each call, start.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use store::StoredCredentials;

use super::load::{Load, Round};
use super::process::Process;
use super::service::Service;
use super::{files, start_pinned, stored};

const FEW: usize = 10;
const MANY: usize = 100_000;
const IN_FLIGHT: usize = 64;
const ROUNDS: usize = 9;
const ROUND: Duration = Duration::from_secs(3);

/// Puts so many tenants with webhooks into the store of a service that has not started yet.
pub(crate) async fn fill(
    folder: &Path,
    store_url: Option<&str>,
    count: usize,
    portal: impl Fn(usize) -> String,
) {
    let store = stored::open(folder, store_url).await;
    for number in 0..count {
        let credentials = StoredCredentials::Webhook {
            user_id: 1,
            secret: "secret".into(),
        };
        stored::add(&store, &id(number), portal(number), credentials).await;
    }
}

pub(crate) fn id(number: usize) -> String {
    format!("tenant-{number}")
}

/// One of the two services, with what was measured of it.
struct Side {
    service: Service,
    start: Duration,
    load: Load,
    idle_kib: u64,
    rounds: Vec<Round>,
}

impl Side {
    async fn start(portal: SocketAddr, stored: usize) -> Self {
        let begun = Instant::now();
        let written = files(None, portal, "");
        fill(written.folder(), None, stored, |_| {
            format!("http://{portal}")
        })
        .await;
        let beginning = Instant::now();
        let service = start_pinned(&written).await;
        let start = beginning.elapsed();
        println!(
            "{stored} tenants entered and served after {:.1} s",
            begun.elapsed().as_secs_f64()
        );
        // Until the start is over in every respect: the first look at the changes, the first count.
        tokio::time::sleep(Duration::from_secs(3)).await;
        let idle_kib = service.process.resident_kib();
        let called = (0..FEW).map(|number| id(number * stored / FEW));
        let load = Load::of_tenants(service.address, &service.key, called.collect()).await;
        load.round(IN_FLIGHT, ROUND / 2).await;
        Self {
            service,
            start,
            load,
            idle_kib,
            rounds: Vec::new(),
        }
    }

    async fn round(&mut self) {
        let before = self.service.process.processor_time();
        let mut round = self.load.round(IN_FLIGHT, ROUND).await;
        round.processor = self.service.process.processor_time() - before;
        self.rounds.push(round);
    }

    fn micros_per_call(&self) -> f64 {
        let mut figures: Vec<f64> = self.rounds.iter().map(per_call).collect();
        figures.sort_unstable_by(f64::total_cmp);
        figures[figures.len() / 2]
    }
}

pub(crate) fn per_call(round: &Round) -> f64 {
    round.processor.as_secs_f64() * 1e6 / round.calls as f64
}

pub(crate) fn measure() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let stub = Process::start_self(&["stub"]);
        let portal = stub.addresses()[0];
        let mut few = Side::start(portal, FEW).await;
        let mut many = Side::start(portal, MANY).await;
        for _ in 0..ROUNDS {
            few.round().await;
            many.round().await;
        }
        println!("\nCalls for {FEW} tenants, medians of {ROUNDS} alternating rounds each.\n");
        println!("| figure | {FEW} stored | {MANY} stored | ratio |\n|---|---|---|---|");
        let row = |name: &str, few: f64, many: f64| {
            println!("| {name} | {few:.1} | {many:.1} | {:.2} |", many / few);
        };
        row("resident memory idle, MiB", mib(few.idle_kib), mib(many.idle_kib));
        row("resident memory after the load, MiB", few.loaded_mib(), many.loaded_mib());
        row("processor time per call, µs", few.micros_per_call(), many.micros_per_call());
        row("start to serving, ms", few.start_ms(), many.start_ms());

        // What it costs when every tenant is called, once to be read and then from memory.
        let all: Vec<String> = (0..MANY).map(id).collect();
        let load = Load::of_tenants(many.service.address, &many.service.key, all).await;
        println!("\nCalls for all {MANY} tenants in turn.\n");
        println!("| round | calls | processor time per call, µs | resident memory, MiB |\n|---|---|---|---|");
        for number in 1..=12 {
            let before = many.service.process.processor_time();
            let mut round = load.round(IN_FLIGHT, ROUND * 2).await;
            round.processor = many.service.process.processor_time() - before;
            let (calls, cost) = (round.calls, per_call(&round));
            println!("| {number} | {calls} | {cost:.1} | {:.1} |", many.loaded_mib());
        }
    });
}

impl Side {
    fn loaded_mib(&self) -> f64 {
        mib(self.service.process.resident_kib())
    }

    fn start_ms(&self) -> f64 {
        self.start.as_secs_f64() * 1e3
    }
}

pub(crate) fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}
