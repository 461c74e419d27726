//! Ten portals in use beside 100,000: memory, connections, processor time for each call. On
//! PostgreSQL replicas share the limit of each portal, here with one replica.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::database;
use super::load::{Load, Round};
use super::process::Process;
use super::tenants::{fill, id, mib, per_call};
use super::{files, pinned, start_pinned};

const FEW: usize = 10;
const MANY: usize = 100_000;
const IN_FLIGHT: usize = 64;
const ROUND: Duration = Duration::from_secs(3);
/// After so long a portal that nobody calls is at rest, and its memory with the system.
const UNTIL_REST: Duration = Duration::from_secs(150);
/// After so long it is forgotten.
const UNTIL_FORGOTTEN: Duration = Duration::from_secs(13 * 60);

pub(crate) fn measure() {
    pinned::move_to_the_other();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let stub = Process::start_self(&["stub"]);
        let upstream = stub.addresses()[0];
        println!("| store | portals | state | calls | calls per second | processor time per call, µs | resident memory, MiB | open sockets |\n|---|---|---|---|---|---|---|---|");
        for (store, count) in [("SQLite", FEW), ("SQLite", MANY), ("PostgreSQL", FEW), ("PostgreSQL", MANY)] {
            if store == "SQLite" {
                of(store, None, count, upstream).await;
            } else if let Some(database) = database::create().await {
                of(store, Some(&database), count, upstream).await;
            }
        }
    });
}

async fn of(store: &str, store_url: Option<&str>, count: usize, upstream: SocketAddr) {
    let written = files(store_url, upstream, "");
    let port = upstream.port();
    fill(written.folder(), store_url, count, |number| {
        address(number, port)
    })
    .await;
    let service = start_pinned(&written).await;
    let tell = |state: &str, calls: &str| {
        let memory = mib(service.process.resident_kib());
        let sockets = service.process.open_files();
        println!("| {store} | {count} | {state} | {calls} | {memory:.1} | {sockets} |");
    };
    tell("no call yet", "| |");
    let all: Vec<String> = (0..count).map(id).collect();
    let load = Load::of_tenants(service.address, &service.key, all).await;
    for state in ["first calls", "later calls"] {
        let before = service.process.processor_time();
        let mut whole = Round::default();
        // Until each has been called.
        while whole.calls < count || whole.elapsed < ROUND {
            let round = load.round(IN_FLIGHT, ROUND).await;
            whole.calls += round.calls;
            whole.elapsed += round.elapsed;
        }
        whole.processor = service.process.processor_time() - before;
        let rate = whole.calls as f64 / whole.elapsed.as_secs_f64();
        tell(
            state,
            &format!("{} | {rate:.0} | {:.1}", whole.calls, per_call(&whole)),
        );
    }
    let idle_since = Instant::now();
    tokio::time::sleep(UNTIL_REST).await;
    tell("at rest, idle for 2.5 minutes", "| |");
    // Once is enough: what is forgotten does not depend on the store.
    if count == MANY && store_url.is_none() {
        tokio::time::sleep(UNTIL_FORGOTTEN.saturating_sub(idle_since.elapsed())).await;
        tell("forgotten, idle for 13 minutes", "| |");
    }
}

/// The address of a portal: each one of loopback's.
fn address(number: usize, port: u16) -> String {
    let [_, second, third, fourth] = u32::try_from(number + 1).unwrap().to_be_bytes();
    format!("http://127.{}.{third}.{fourth}:{port}", second + 1)
}
