//! The database is far away.

use std::time::{Duration, Instant};

use bitrix24_openlines::testing::dispatch::sharing::SharingState;
use futures_util::future::join_all;
use tokio::task::JoinSet;

use super::together::{Arrivals, FAST, Together, send_until};
use crate::support::proxy::{Mode, Proxy};
use crate::support::stores::Stores;

/// Of what the portal would take in these seconds, from the beginning.
const SECONDS: u32 = 6;

/// Far above the part that an isolated replica has: only one has calls.
const SHARE: f64 = 0.7;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_round_trip_of_a_hundred_milliseconds_keeps_no_replica_from_the_whole_budget() {
    let Some(stores) = Stores::postgresql().await else {
        return;
    };
    let (proxy, url) = Proxy::before(stores.url()).await;
    let together = Together::start(&url, 2).await;
    proxy.set(Mode::RoundTrip(Duration::from_millis(100)));
    let before = proxy.round_trips();
    let arrivals = Arrivals::default();
    let end = Instant::now() + Duration::from_secs(SECONDS.into());
    send_until(end, together.replicas[0].clone(), FAST, arrivals.clone()).await;
    let (sent, refused) = arrivals.count(FAST);
    let whole = f64::from(FAST.burst) + FAST.per_second * f64::from(SECONDS);
    let share = f64::from(sent) / whole;
    let round_trips = proxy.round_trips() - before;
    let context = format!("{sent} sent, {share:.3} of the budget, {round_trips} round trips");
    println!("{context}");
    assert_eq!(refused, 0, "{context}");
    assert!(share >= SHARE, "{context}");
    // One for each exchange, of which there is one at a time.
    assert!(round_trips <= u64::from(SECONDS) * 10 + 10, "{context}");
    together.stop().await;
}

/// Slower than exchanges were allowed to be until then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_share_again_with_a_database_that_has_become_slower() {
    let Some(stores) = Stores::postgresql().await else {
        return;
    };
    let (proxy, url) = Proxy::before(stores.url()).await;
    let together = Together::start(&url, 2).await;
    let arrivals = Arrivals::default();
    let end = Instant::now() + Duration::from_secs(600);
    let sending = together.replicas.iter();
    let sending = sending.map(|replica| send_until(end, replica.clone(), FAST, arrivals.clone()));
    let mut sending: JoinSet<()> = sending.collect();
    arrivals.reach(FAST, 60).await;
    let changes = together.replicas.iter().map(async |replica| {
        let mut state = replica.state();
        for wanted in [SharingState::Isolated, SharingState::Shared] {
            let changed = state.wait_for(|state| *state == wanted);
            let changed = tokio::time::timeout(Duration::from_secs(30), changed).await;
            changed.unwrap().unwrap();
        }
    });
    proxy.set(Mode::RoundTrip(Duration::from_millis(500)));
    join_all(changes).await;
    let shared = arrivals.count(FAST).0;
    arrivals.reach(FAST, shared + 60).await;
    sending.shutdown().await;
    together.stop().await;
}
