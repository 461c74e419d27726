//! The tasks that run beside the calls, and what happens when one of them ends too early.
//!
//! Some tasks are to run as long as the service: without the writer of the ledger, for example, no
//! call with an idempotency key can be sent. Such a task ends before the service is stopped only
//! because of a bug. Then the whole process ends, in order and with an exit code of its own, so
//! that whoever supervises it starts a sound one.

use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The tasks of one service. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stopped: CancellationToken,
    failed: CancellationToken,
    failure: Arc<OnceLock<TaskFailed>>,
}

/// A task that is to run as long as the service has ended before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the task `{name}` has {}, which the service cannot do without",
    .has_panicked.then_some("panicked").unwrap_or("ended")
)]
pub struct TaskFailed {
    /// What the task does.
    pub name: &'static str,
    /// Whether it panicked, or just returned.
    pub has_panicked: bool,
}

impl Tasks {
    /// Starts a task that is to run until [`stopped`](Self::stopped), or longer if it has to finish
    /// something. If it ends before, or panics, the service has [failed](Self::failed).
    pub fn spawn_lasting(
        &self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let running = self.tracker.spawn(task);
        let tasks = self.clone();
        self.tracker.spawn(async move {
            let has_panicked = match running.await {
                Ok(()) if tasks.stopped.is_cancelled() => return,
                Ok(()) => false,
                Err(error) if error.is_panic() => true,
                // The runtime ends.
                Err(_cancelled) => return,
            };
            tasks.fail(TaskFailed { name, has_panicked });
        });
    }

    /// The same for a thread that is to run as long as the service: it holds this value, which it
    /// [releases](LastingThread::release) when it is told to end.
    pub fn lasting_thread(&self, name: &'static str) -> LastingThread {
        LastingThread {
            tasks: self.clone(),
            name,
            may_end: false,
        }
    }

    fn fail(&self, failure: TaskFailed) {
        let TaskFailed { name, has_panicked } = failure;
        tracing::error!(
            task = name,
            has_panicked,
            "a task has ended that the service cannot do without; the service shuts down"
        );
        // The first one counts: others may end because of it.
        let _ = self.failure.set(failure);
        self.failed.cancel();
    }

    /// Completes when a task has failed.
    pub async fn failed(&self) {
        self.failed.cancelled().await;
    }

    /// The first task that failed.
    pub fn failure(&self) -> Option<TaskFailed> {
        self.failure.get().copied()
    }

    /// Where tasks are spawned that may end at any time.
    pub fn tracker(&self) -> &TaskTracker {
        &self.tracker
    }

    /// Cancelled when the service stops and every call has been answered.
    pub fn stopped(&self) -> CancellationToken {
        self.stopped.clone()
    }

    /// Stops the tasks, and waits until all have ended.
    pub async fn stop(&self) {
        self.stopped.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}

/// A thread that the service cannot do without. Dropped, the service has failed.
#[derive(Debug)]
pub struct LastingThread {
    tasks: Tasks,
    name: &'static str,
    may_end: bool,
}

impl LastingThread {
    /// The thread may end now.
    pub fn release(mut self) {
        self.may_end = true;
    }
}

impl Drop for LastingThread {
    fn drop(&mut self) {
        if !self.may_end {
            self.tasks.fail(TaskFailed {
                name: self.name,
                has_panicked: std::thread::panicking(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn failed(name: &'static str, has_panicked: bool) -> Option<TaskFailed> {
        Some(TaskFailed { name, has_panicked })
    }

    #[tokio::test]
    async fn a_task_that_panics_or_returns_too_early_is_the_failure_of_the_service() {
        for has_panicked in [true, false] {
            let tasks = Tasks::default();
            tasks.spawn_lasting("sound", tasks.stopped().cancelled_owned());
            tasks.spawn_lasting("broken", async move {
                assert!(!has_panicked, "planted");
            });
            tasks.failed().await;
            assert_eq!(tasks.failure(), failed("broken", has_panicked));
            tasks.stop().await;
            assert_eq!(tasks.failure(), failed("broken", has_panicked));
        }
    }

    #[tokio::test]
    async fn so_is_a_thread_that_ends_before_it_may() {
        for has_panicked in [true, false] {
            let tasks = Tasks::default();
            let lasting = tasks.lasting_thread("broken");
            std::thread::spawn(move || {
                let _lasting = lasting;
                assert!(!has_panicked, "planted");
            });
            tasks.failed().await;
            assert_eq!(tasks.failure(), failed("broken", has_panicked));
        }
        let tasks = Tasks::default();
        tasks.lasting_thread("sound").release();
        assert_eq!(tasks.failure(), None);
    }

    #[tokio::test]
    async fn tasks_that_end_after_the_stop_have_not_failed() {
        let tasks = Tasks::default();
        tasks.spawn_lasting("sound", tasks.stopped().cancelled_owned());
        tasks.tracker().spawn(async {});
        assert!(tasks.failed().now_or_never().is_none());
        tasks.stop().await;
        assert_eq!(tasks.failure(), None);
    }

    #[tokio::test]
    async fn a_panic_counts_even_after_the_stop() {
        let tasks = Tasks::default();
        let stopped = tasks.stopped().cancelled_owned();
        tasks.spawn_lasting("last write", async move {
            stopped.await;
            panic!("planted");
        });
        tasks.stop().await;
        assert_eq!(tasks.failure(), failed("last write", true));
    }
}
