//! One seed.

use std::sync::Arc;
use std::time::Duration;

use store::sealing::{Key, Keyring};
use store::simulation::Database;
use tokio::task::JoinSet;

use crate::callers::{self, Reachable};
use crate::line::OwnLine;
use crate::plan::Plan;
use crate::replica::{Replica, tenants};
use crate::verdict;
use crate::world::{Life, World, lock};

/// How a seed ended.
pub(crate) struct Report {
    pub(crate) faults: Vec<String>,
    pub(crate) digest: (u64, u64),
}

/// Until everything that is on its way has come to its end: the longest answer, and the writes
/// after it.
const DRAIN: Duration = Duration::from_secs(75);

/// Runs a seed in a process whose machine is that of `machine.c`.
pub(crate) fn run(seed: u64, is_printed: bool) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let report = runtime.block_on(async { tokio::spawn(play(seed, is_printed)).await });
    runtime.shutdown_background();
    report.unwrap()
}

async fn play(seed: u64, is_printed: bool) -> Report {
    let world = World::new(seed, Plan::of(seed), is_printed);
    for trouble in &world.plan.troubles {
        world.note(&format_args!("planned: {trouble:?}"));
    }
    let (jumps, kills) = (&world.plan.jumps, &world.plan.kills);
    let (request, command) = (world.plan.request, world.plan.command);
    world.note(&format_args!(
        "planned: {jumps:?}, kills at {kills:?}, {request:?} + {command:?}"
    ));
    let database = Database::create().unwrap();
    let keyring = Keyring::from(Key::generate().unwrap());
    let own = Arc::new(OwnLine(Arc::clone(&world)));
    let store = database.store(keyring.clone(), own).unwrap();
    for tenant in tenants(world.plan.first_token) {
        store.create(&tenant).await.unwrap();
    }
    let reachable = Reachable::default();
    for slot in 0..world.plan.replicas {
        let (world, database) = (Arc::clone(&world), database.clone());
        let (keyring, reachable) = (keyring.clone(), Arc::clone(&reachable));
        tokio::spawn(keep_running(world, database, keyring, reachable, slot));
    }
    let mut callers = JoinSet::new();
    for wish in world.plan.wishes.clone() {
        let (world, reachable) = (Arc::clone(&world), Arc::clone(&reachable));
        callers.spawn(async move {
            tokio::time::sleep(wish.at).await;
            callers::deliver(world, reachable, wish).await;
        });
    }
    while let Some(ended) = callers.join_next().await {
        ended.unwrap();
    }
    let quiet = world.plan.troubles.iter().map(|trouble| trouble.until);
    let quiet = quiet.max().unwrap_or_default().max(world.now());
    tokio::time::sleep(quiet + DRAIN - world.now()).await;
    let living: Vec<_> = lock(&reachable)
        .values()
        .map(|replica| replica.id)
        .collect();
    verdict::judge(&world, &store, &living).await;
    let faults = lock(&world.books).faults.clone();
    for fault in &faults {
        world.note(&format_args!("FAULT {fault}"));
    }
    Report {
        faults,
        digest: world.digest(),
    }
}

/// Starts a replica, and another one some time after it was killed.
async fn keep_running(
    world: Arc<World>,
    database: Database,
    keyring: Keyring,
    reachable: Reachable,
    slot: usize,
) {
    let mut number = slot;
    loop {
        let life = Life::new(number, slot);
        let started = Replica::start(&world, &database, &keyring, life.clone()).await;
        let Some(replica) = started else {
            world.wait(500, 3_000).await;
            number += world.plan.replicas;
            continue;
        };
        world.note(&format_args!("{life} has started"));
        lock(&reachable).insert(slot, replica);
        life.ended().await;
        lock(&reachable).remove(&slot);
        world.wait(500, 15_000).await;
        number += world.plan.replicas;
    }
}
