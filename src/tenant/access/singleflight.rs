//! Singleflight: many callers wait for work that runs once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use bitrix24::TenantId;

type Running<Outcome> = HashMap<TenantId, watch::Receiver<Option<Outcome>>>;

/// Runs work at most once at a time per tenant, in its own task, so cancelling a call does not
/// cancel the work.
#[derive(Debug)]
pub(super) struct Singleflight<Outcome> {
    running: Arc<Mutex<Running<Outcome>>>,
    tasks: TaskTracker,
}

/// Why a caller got no outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoOutcome {
    /// Its deadline passed. The work continues.
    DeadlinePassed,
    /// The work panicked.
    Crashed,
}

impl<Outcome: Clone + Send + Sync + 'static> Singleflight<Outcome> {
    pub(super) fn new(tasks: TaskTracker) -> Self {
        Self {
            running: Arc::default(),
            tasks,
        }
    }

    /// Waits for the tenant's running work, or starts `work`.
    pub(super) async fn join<Work>(
        &self,
        id: &TenantId,
        deadline: Instant,
        work: impl FnOnce() -> Work,
    ) -> Result<Outcome, NoOutcome>
    where
        Work: Future<Output = Outcome> + Send + 'static,
    {
        let mut outcome = {
            let mut running = lock(&self.running);
            match running.get(id) {
                Some(outcome) => outcome.clone(),
                None => {
                    let (done, outcome) = watch::channel(None);
                    running.insert(id.clone(), outcome.clone());
                    let entry = Entry {
                        id: id.clone(),
                        running: Arc::clone(&self.running),
                    };
                    let work = work();
                    self.tasks.spawn(async move {
                        let outcome = work.await;
                        // First, so that a caller after this outcome starts new work.
                        drop(entry);
                        done.send_replace(Some(outcome));
                    });
                    outcome
                }
            }
        };
        let waited = tokio::time::timeout_at(deadline, outcome.wait_for(Option::is_some)).await;
        match waited {
            Err(_elapsed) => Err(NoOutcome::DeadlinePassed),
            Ok(Err(_gone)) => Err(NoOutcome::Crashed),
            Ok(Ok(outcome)) => outcome.clone().ok_or(NoOutcome::Crashed),
        }
    }
}

/// An entry in `running`; removed even if the work panics.
struct Entry<Outcome> {
    id: TenantId,
    running: Arc<Mutex<Running<Outcome>>>,
}

impl<Outcome> Drop for Entry<Outcome> {
    fn drop(&mut self) {
        lock(&self.running).remove(&self.id);
    }
}

fn lock<Outcome>(running: &Mutex<Running<Outcome>>) -> MutexGuard<'_, Running<Outcome>> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use tokio::sync::Notify;

    use super::*;

    fn acme() -> TenantId {
        TenantId::parse("acme").unwrap()
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    #[tokio::test]
    async fn many_callers_share_one_run() {
        static RUNS: AtomicUsize = AtomicUsize::new(0);
        static GATE: Notify = Notify::const_new();
        let singleflight = Singleflight::new(TaskTracker::new());
        let (id, deadline) = (acme(), soon());
        let work = || async {
            GATE.notified().await;
            RUNS.fetch_add(1, Ordering::SeqCst)
        };
        let joined = (0..20).map(|_| singleflight.join(&id, deadline, work));
        let joined = futures_util::future::join_all(joined);
        // The gate opens after every caller was polled once, and so has joined.
        let (outcomes, ()) = tokio::join!(biased; joined, async { GATE.notify_one() });
        GATE.notify_one();
        assert!(
            outcomes.iter().all(|outcome| *outcome == Ok(0)),
            "{outcomes:?}"
        );
        assert_eq!(singleflight.join(&id, deadline, work).await, Ok(1));
    }

    #[tokio::test]
    async fn work_goes_on_when_its_caller_gives_up() {
        static DONE: AtomicUsize = AtomicUsize::new(0);
        static GATE: Notify = Notify::const_new();
        let tasks = TaskTracker::new();
        let singleflight = Singleflight::new(tasks.clone());
        let work = || async {
            GATE.notified().await;
            DONE.fetch_add(1, Ordering::SeqCst)
        };
        let left = singleflight.join(&acme(), Instant::now(), work).await;
        assert_eq!(left, Err(NoOutcome::DeadlinePassed));
        GATE.notify_one();
        tasks.close();
        tasks.wait().await;
        assert_eq!(DONE.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_panic_is_told_and_does_not_block_the_next_run() {
        let singleflight = Singleflight::new(TaskTracker::new());
        let id = acme();
        let crashed = singleflight.join(&id, soon(), || async { panic!("on purpose") });
        assert_eq!(crashed.await, Err(NoOutcome::Crashed));
        let works = singleflight.join(&id, soon(), || std::future::ready(7));
        assert_eq!(works.await, Ok(7));
    }
}
