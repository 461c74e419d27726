//! A tenants file of 50,000: how long the first start takes, and the ones after it, on both stores.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

use super::service::{Files, Service};
use super::{OURS, database, free_address};

const LISTED: usize = 50_000;

pub(crate) fn measure() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        println!("A tenants file with {LISTED} applications.\n");
        println!("| store | start | start to serving, s | resident memory, MiB | most of it, MiB |\n|---|---|---|---|---|");
        starts("SQLite", None).await;
        if let Some(database) = database::create().await {
            starts("PostgreSQL", Some(&database)).await;
        }
    });
}

async fn starts(store: &str, url: Option<&str>) {
    // Nobody is called: only the addresses count.
    let portal = SocketAddr::from(([127, 0, 0, 1], 1));
    let files = Files::write(url, &entries(portal, "first"), "");
    let start = async |name: &str| {
        let begun = Instant::now();
        let service: Service = files.start(Path::new(OURS), free_address()).await;
        let took = begun.elapsed().as_secs_f64();
        let [now, most] = ["VmRSS:", "VmHWM:"].map(|name| service.process.kib(name) / 1024);
        println!("| {store} | {name} | {took:.1} | {now} | {most} |");
    };
    start("the first").await;
    start("with the same file").await;
    let changed = format!("tenants:\n{}", entries(portal, "second"));
    std::fs::write(files.folder().join("tenants.yaml"), changed).unwrap();
    start("with every entry changed").await;
}

fn entries(portal: SocketAddr, version: &str) -> String {
    let mut entries = String::new();
    for number in 0..LISTED {
        writeln!(
            entries,
            "- {{id: tenant-{number}, display_name: {version}, portal: 'http://{portal}', application: {{client_id: local.1, \
             client_secret: {{inline: secret{number}}}, refresh_token: {{inline: token{number}}}}}}}"
        )
        .unwrap();
    }
    entries
}
