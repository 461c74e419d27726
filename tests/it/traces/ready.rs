//! What `/ready` says of the collector: it is told, and keeps no calls away.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tonic::transport::Server;

use super::metrics::{Collector as OfMetrics, Refused, sending_metrics_to};
use super::{Collector, Traced};
use crate::support::admin::{free_address, ready, until_sample};
use crate::support::requests::crm_message;
use crate::support::{WEBHOOK, World};

/// Far longer than a transmission is repeated, and a state needs to count.
const PATIENCE: Duration = Duration::from_secs(60);

const WORKS: &str = "openlines_dependency_works{dependency=\"collector\"}";

/// Waits until `/ready` says this, and returns its line of the collector. Calls are taken always.
async fn until_ready_says(admin: SocketAddr, state: &str) -> String {
    let begun = Instant::now();
    loop {
        let (status, text) = ready(admin).await;
        assert_eq!(status, 200, "{text}");
        let mut lines = text.lines();
        let line = lines.find(|line| line.starts_with(state));
        if let Some(line) = line {
            return line.to_owned();
        }
        assert!(begun.elapsed() < PATIENCE, "{text}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_collector_of_traces_that_is_away_is_told_until_it_is_back() {
    let address = free_address();
    let endpoint = format!("otlp_endpoint: 'http://{address}'");
    let mut traced = Traced::start(&endpoint, 100).await;
    // Nothing was sent yet.
    until_ready_says(traced.admin, "collector: works").await;
    let mut message = crm_message("Hello");
    message.tenant_id = WEBHOOK.to_owned();
    traced
        .client
        .send_crm_message(message.clone())
        .await
        .unwrap();
    let line = until_ready_says(traced.admin, "collector: fails").await;
    assert!(line.contains("traces: it cannot be reached"), "{line}");
    assert!(line.ends_with("(calls are taken all the same)"), "{line}");
    until_sample(traced.admin, WORKS, 0).await;
    traced.client.send_crm_message(message).await.unwrap();

    let listener = TcpListener::bind(address).await.unwrap();
    let (_collector, _) = Collector::serve_at(Server::builder(), listener);
    until_ready_says(traced.admin, "collector: works").await;
    until_sample(traced.admin, WORKS, 1).await;
    traced.stop_after("a dependency works again").await;
}

#[tokio::test]
async fn a_collector_that_does_not_take_metrics_is_told_until_it_does() {
    let (collector, address) = OfMetrics::start().await;
    collector.refuse(Refused::All);
    let (world, admin) = sending_metrics_to(&address).await;
    // It has started when it answers.
    world.send(crm_message("first")).await.unwrap();
    let line = until_ready_says(admin, "collector: fails").await;
    let why = ": metrics: it answers InvalidArgument: not today (calls are taken all the same)";
    assert!(line.ends_with(why), "{line}");
    world.send(crm_message("taken all the same")).await.unwrap();
    collector.refuse(Refused::Nothing);
    until_ready_says(admin, "collector: works").await;
}

#[tokio::test]
async fn without_a_collector_nothing_is_said_of_one() {
    let admin = free_address();
    let world = World::with_settings(&[("ADMIN_LISTEN", &*admin.to_string())]).await;
    world.send(crm_message("first")).await.unwrap();
    until_ready_says(admin, "store: works").await;
    let (_, text) = ready(admin).await;
    assert!(!text.contains("collector"), "{text}");
}
