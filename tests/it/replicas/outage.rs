//! The database goes away and comes back.

use std::time::{Duration, Instant};

use bitrix24_openlines::testing::dispatch::sharing::SharingState;
use tokio::task::JoinSet;

use super::together::{Arrivals, FAST, Together, send_until};
use crate::support::proxy::{Mode, Proxy};
use crate::support::stores::Stores;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_database_every_replica_sends_its_part_and_comes_back_by_itself() {
    for away in [Mode::Cut, Mode::Silent] {
        let Some(stores) = Stores::postgresql().await else {
            return;
        };
        let (proxy, url) = Proxy::before(stores.url()).await;
        let together = Together::start(&url, 2).await;
        let arrivals = Arrivals::default();
        let end = Instant::now() + Duration::from_secs(600);
        let sending = together.replicas.iter();
        let sending =
            sending.map(|replica| send_until(end, replica.clone(), FAST, arrivals.clone()));
        let mut sending: JoinSet<()> = sending.collect();

        tokio::time::sleep(Duration::from_secs(3)).await;
        proxy.set(away);
        let changed = async |wanted: SharingState| {
            for replica in &together.replicas {
                let mut state = replica.state();
                let changed = state.wait_for(|state| *state == wanted);
                let changed = tokio::time::timeout(Duration::from_secs(20), changed).await;
                changed.unwrap().unwrap();
            }
        };
        changed(SharingState::Isolated).await;
        let before = arrivals.count(FAST).0;
        // Half of what drains in three seconds, however long a busy machine takes for it.
        let alone = arrivals.reach(FAST, before + 30).await - before;
        proxy.set(Mode::Open);
        let opened = Instant::now();
        changed(SharingState::Shared).await;
        // They reckon with two seconds; of more than that, on a busy machine, the portal has to
        // refuse something.
        let is_busy = opened.elapsed() > Duration::from_secs(2);
        let back = arrivals.count(FAST).0;
        arrivals.reach(FAST, back + 60).await;
        sending.shutdown().await;
        let (sent, refused) = arrivals.count(FAST);
        let told = format!("{away:?}: {before} before, {alone} alone, {sent} in all");
        println!("{told}");
        assert!(refused == 0 || is_busy, "{told}");
        together.stop().await;
    }
}
