//! Replicas know of each other.

use std::time::{Duration, Instant};

use store::Store;
use uuid::Uuid;

use super::support::{DAY, HASTY, LONG, Process};
use crate::support::stores::{Stores, keyring, on_both_stores};

on_both_stores!(a_replica_lives_as_long_as_it_gives_signs_of_life);

async fn a_replica_lives_as_long_as_it_gives_signs_of_life(stores: Stores) {
    let store = stores.open(&keyring()).await;
    let (one, other) = (Uuid::new_v4(), Uuid::new_v4());
    assert_eq!(store.living_replicas(LONG).await.unwrap(), 0);
    store.beat(one, None).await.unwrap();
    store.beat(other, None).await.unwrap();
    store.beat(one, None).await.unwrap();
    assert_eq!(store.living_replicas(LONG).await.unwrap(), 2);
    store.depart(other).await.unwrap();
    assert_eq!(store.living_replicas(LONG).await.unwrap(), 1);
    tokio::time::sleep(Duration::from_millis(60)).await;
    let just_now = Duration::from_millis(50);
    assert_eq!(store.living_replicas(just_now).await.unwrap(), 0);
    // What has been silent for a day is forgotten with the next who leaves.
    stores.execute("UPDATE replicas SET seen_at = 0").await;
    store.depart(other).await.unwrap();
    assert!(stores.texts("SELECT id FROM replicas").await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_count_each_other_and_those_that_stop_take_their_leave() {
    let Some(stores) = Stores::postgresql().await else {
        return;
    };
    let keyring = keyring();
    let mut processes = Vec::new();
    for _ in 0..3 {
        let store = stores.open(&keyring).await;
        processes.push((Process::with(&store, HASTY, DAY), store));
    }
    for (process, _) in &processes {
        until(|| process.replica.living() == 3).await;
    }
    let (last, store) = processes.pop().unwrap();
    last.stop().await;
    assert_eq!(living(&store).await, 2);
    for (process, _) in &processes {
        until(|| process.replica.living() == 2).await;
    }
    for (process, _) in processes {
        process.stop().await;
    }
    assert_eq!(living(&store).await, 0);
}

#[tokio::test]
async fn on_sqlite_there_is_one_and_nobody_asks() {
    let stores = Stores::sqlite();
    let process = Process::start(&stores.open(&keyring()).await);
    assert_eq!(process.replica.living(), 1);
    process.stop().await;
    assert!(stores.texts("SELECT id FROM replicas").await.is_empty());
}

async fn living(store: &Store) -> u32 {
    store.living_replicas(LONG).await.unwrap()
}

async fn until(mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < LONG);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
