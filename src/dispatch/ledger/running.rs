//! The calls with an idempotency key that this process has in hand.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::fingerprint::Fingerprint;
use bitrix24::Answer;
use store::ledger::Id;

/// What became of a call, for those who wait for it.
#[derive(Clone, Debug)]
pub(super) enum Told {
    /// The portal answered.
    Answered(Answer),
    /// It left and nobody knows.
    Unknown,
}

/// Who waits is told once; if nobody tells, the call was not sent.
pub(super) type Telling = watch::Receiver<Option<Told>>;

/// The calls that are in hand, each once. A call is in hand from the moment somebody asks for it until the store has what became
/// of it.
#[derive(Debug, Default)]
pub(super) struct Running {
    calls: Mutex<HashMap<Id, Entry>>,
    attempts: AtomicI64,
    holds: TaskTracker,
}

#[derive(Debug)]
struct Entry {
    fingerprint: Fingerprint,
    told: Telling,
}

/// The answer to who wants a call in hand.
#[derive(Debug)]
pub(super) enum Joined {
    /// It is in the asker's hand.
    Mine(Hold),
    /// It is in somebody else's.
    Theirs(Telling),
    /// It is in somebody else's, and another request.
    Reused,
}

/// A call in hand. Nobody else in this process has it until this value is gone.
#[derive(Debug)]
pub(super) struct Hold {
    id: Id,
    fingerprint: Fingerprint,
    attempt: i64,
    tell: watch::Sender<Option<Told>>,
    running: Arc<Running>,
    _token: TaskTrackerToken,
}

impl Running {
    /// Takes a call in hand if nobody has it.
    pub(super) fn join(self: &Arc<Self>, id: &Id, fingerprint: Fingerprint) -> Joined {
        let mut calls = self.lock();
        match calls.get(id) {
            Some(entry) if entry.fingerprint == fingerprint => Joined::Theirs(entry.told.clone()),
            Some(_) => Joined::Reused,
            None => {
                let (tell, told) = watch::channel(None);
                calls.insert(id.clone(), Entry { fingerprint, told });
                Joined::Mine(Hold {
                    id: id.clone(),
                    fingerprint,
                    // Under the lock, so that a later attempt has the higher number.
                    attempt: self.attempts.fetch_add(1, Ordering::Relaxed),
                    tell,
                    running: Arc::clone(self),
                    _token: self.holds.token(),
                })
            }
        }
    }

    /// Waits until nothing is in hand. Nobody may come any more.
    pub(super) async fn finished(&self) {
        self.holds.close();
        self.holds.wait().await;
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Id, Entry>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hold {
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

    /// Tells those who wait what became of the call.
    pub(super) fn tell(&self, told: Told) {
        self.tell.send_replace(Some(told));
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.running.lock().remove(&self.id);
    }
}
