//! Random schedules of callers, replicas, faults and repeats: nothing is ever sent twice, and
//! nobody is told a wrong thing. A twentieth of OPENLINES_TEST_SCHEDULES says how many.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bitrix24::Answer;
use bitrix24_openlines::testing::dispatch::ledger::{Entered, Key, LedgerError, Recorded, Started};
use bitrix24_openlines::testing::settings::Environment;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use uuid::Uuid;

use super::support::{Process, answer, new_key};
use crate::support::stores::{Stores, keyring, on_both_stores};

on_both_stores!(nothing_is_sent_twice_whatever_callers_and_the_portal_do);

/// What a portal knows of the calls that have reached it.
#[derive(Default)]
struct Portal {
    calls: Mutex<HashMap<Uuid, Received>>,
}

#[derive(Default)]
struct Received {
    /// Requests that are being executed.
    running: u32,
    /// How often it was executed.
    executed: u32,
    /// Whether somebody got the answer, or was told that there is none.
    told: Option<Option<Answer>>,
}

const CALLERS: u64 = 24;
const ROUNDS: u32 = 12;
const KEYS: usize = 10;

async fn nothing_is_sent_twice_whatever_callers_and_the_portal_do(stores: Stores) {
    let keyring = keyring();
    let store = stores.open(&keyring).await;
    let mut processes = vec![Arc::new(Process::start(&store))];
    if stores.is_shared() {
        let replica = stores.open(&keyring).await;
        processes.push(Arc::new(Process::start(&replica)));
    }
    for _ in 0..schedules() {
        play(&processes, rand::random()).await;
    }
    for process in processes {
        Arc::into_inner(process).unwrap().stop().await;
    }
}

/// A few: most of the time callers wait for each other.
fn schedules() -> u64 {
    let environment = Environment::of_process();
    let given = environment.get("OPENLINES_TEST_SCHEDULES");
    let given: u64 = given.map_or(100, |given| given.unwrap().parse().unwrap());
    given.div_ceil(20)
}

async fn play(processes: &[Arc<Process>], seed: u64) {
    let portal = Arc::new(Portal::default());
    let keys: Arc<Vec<Key>> = Arc::new((0..KEYS).map(|_| new_key()).collect());
    let callers = (0..CALLERS).map(|number| {
        let process = &processes[usize::try_from(number).unwrap() % processes.len()];
        let (process, portal, keys) = (Arc::clone(process), Arc::clone(&portal), Arc::clone(&keys));
        let mut random = StdRng::seed_from_u64(seed ^ number);
        tokio::spawn(async move {
            for _ in 0..ROUNDS {
                let key = &keys[random.random_range(0..KEYS)];
                call(&process, &portal, key, &mut random).await;
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        let called = caller.await;
        called.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    }
    let calls = portal.calls.lock().unwrap();
    assert!(calls.values().any(|call| call.executed == 1), "seed {seed}");
    assert!(calls.values().all(|call| call.executed <= 1), "seed {seed}");
}

async fn call(process: &Process, portal: &Portal, key: &Key, random: &mut StdRng) {
    let time = Duration::from_millis(random.random_range(1..500));
    let claim = match process.enter_within(key, time).await {
        Ok(Entered::First(claim)) => claim,
        Ok(Entered::Answered(answer)) => return portal.told(key, Some(answer)),
        Ok(Entered::Unknown) => return portal.told(key, None),
        // It was late.
        Err(LedgerError::StillRunning | LedgerError::Unavailable(_)) => return,
        Err(LedgerError::Reused) => panic!("the requests are the same"),
    };
    pause(random).await;
    if random.random_bool(0.2) {
        // The caller leaves while the call waits, or its deadline passes.
        return drop(claim);
    }
    loop {
        match process.ledger.start(&[&claim]).await.unwrap().as_slice() {
            [Started::Go] => {}
            [Started::Taken] => return,
            other => panic!("{other:?}"),
        }
        claim.note_may_be_sent();
        portal.begin(key);
        pause(random).await;
        let executed = random.random_bool(0.5);
        portal.end(key, executed);
        if executed {
            break;
        }
        match random.random_range(0..3) {
            // It is sent again.
            0 => pause(random).await,
            // The caller is told that it was not executed.
            1 => return process.end(claim, Recorded::NotExecuted).await,
            // The connection broke before the portal had all of it, so nobody can tell.
            _ => {
                portal.told(key, None);
                return process.end(claim, Recorded::Unknown).await;
            }
        }
    }
    match random.random_range(0..4) {
        0 => {
            portal.told(key, None);
            process.end(claim, Recorded::Unknown).await;
        }
        // The task is gone.
        1 => {
            portal.told(key, None);
            drop(claim);
        }
        _ => {
            let answer = answer(random.random_range(0..1_000_000));
            portal.told(key, Some(answer.clone()));
            process.end(claim, Recorded::Answered(answer)).await;
        }
    }
}

async fn pause(random: &mut StdRng) {
    tokio::time::sleep(Duration::from_millis(random.random_range(0..10))).await;
}

impl Portal {
    fn begin(&self, key: &Key) {
        let mut calls = self.calls.lock().unwrap();
        let call = calls.entry(key.idempotency_key).or_default();
        assert_eq!(call.running, 0, "it is sent side by side");
        assert_eq!(call.told, None, "it is sent although its fate is known");
        call.running += 1;
    }

    fn end(&self, key: &Key, executed: bool) {
        let mut calls = self.calls.lock().unwrap();
        let call = calls.get_mut(&key.idempotency_key).unwrap();
        call.running -= 1;
        call.executed += u32::from(executed);
    }

    /// Everybody is told the same, and only what was sent.
    fn told(&self, key: &Key, told: Option<Answer>) {
        let mut calls = self.calls.lock().unwrap();
        let call = calls.get_mut(&key.idempotency_key).unwrap();
        let before = call.told.get_or_insert_with(|| told.clone());
        assert_eq!(*before, told);
    }
}
