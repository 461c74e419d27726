//! The calls with an idempotency key that are in progress in this process.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::fingerprint::Fingerprint;
use super::recorded::Settled;
use super::unsent::Unsent;
use store::ledger::Id;

/// Receives the outcome. If the sender is dropped without one, the call was not sent.
pub(super) type Settling = watch::Receiver<Option<Settled>>;

/// The calls in progress, each once: from the first attempt until the store has the outcome.
#[derive(Debug, Default)]
pub(super) struct Running {
    calls: Mutex<HashMap<Id, Entry>>,
    attempts: AtomicI64,
    guards: TaskTracker,
    pub(super) unsent: Unsent,
}

#[derive(Debug)]
struct Entry {
    fingerprint: Fingerprint,
    settled: Settling,
}

/// The state of a call in this process.
#[derive(Debug)]
pub(super) enum Joined {
    /// This is the only attempt.
    First(KeyGuard),
    /// Another attempt is in progress.
    Running(Settling),
    /// Another request with the same key is in progress.
    Reused,
}

/// Guards a key in this process: no other attempt proceeds until it is dropped.
#[derive(Debug)]
pub(super) struct KeyGuard {
    id: Id,
    fingerprint: Fingerprint,
    attempt: i64,
    settle: watch::Sender<Option<Settled>>,
    running: Arc<Running>,
    _token: TaskTrackerToken,
}

impl Running {
    /// Takes the guard of a key, unless another attempt has it.
    pub(super) fn join(self: &Arc<Self>, id: &Id, fingerprint: Fingerprint) -> Joined {
        let mut calls = self.lock();
        match calls.get(id) {
            Some(entry) if entry.fingerprint == fingerprint => {
                Joined::Running(entry.settled.clone())
            }
            Some(_) => Joined::Reused,
            None => {
                let (settle, settled) = watch::channel(None);
                calls.insert(
                    id.clone(),
                    Entry {
                        fingerprint,
                        settled,
                    },
                );
                Joined::First(KeyGuard {
                    id: id.clone(),
                    fingerprint,
                    // Under the lock, so that a later attempt has the higher number.
                    attempt: self.attempts.fetch_add(1, Ordering::Relaxed),
                    settle,
                    running: Arc::clone(self),
                    _token: self.guards.token(),
                })
            }
        }
    }

    /// The attempt that has a key: the fingerprint of its request, and its outcome if it has one.
    pub(super) fn look(&self, id: &Id) -> Option<(Fingerprint, Option<Settled>)> {
        let calls = self.lock();
        let entry = calls.get(id)?;
        let settled = entry.settled.borrow().clone();
        Some((entry.fingerprint, settled))
    }

    /// Waits until no call is in progress. To be called when no more calls can arrive.
    pub(super) async fn finished(&self) {
        self.guards.close();
        self.guards.wait().await;
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Id, Entry>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeyGuard {
    pub(super) fn id(&self) -> &Id {
        &self.id
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Its number: a later one in this process has a higher one.
    pub(super) fn attempt(&self) -> i64 {
        self.attempt
    }

    /// The call was certainly not executed, and this attempt is over.
    pub(super) fn note_unsent(&self) {
        self.running.unsent.note(self.attempt);
    }

    /// Returns the outcome to the waiting attempts.
    pub(super) fn settle(&self, settled: Settled) {
        self.settle.send_replace(Some(settled));
    }
}

impl Drop for KeyGuard {
    fn drop(&mut self) {
        self.running.lock().remove(&self.id);
    }
}
