//! When a request may leave, how long its answer is waited for, and whether it has left.

use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

/// The two deadlines of a request.
///
/// A request that has left must not be given up when it should only have left earlier: its outcome would be unknown
/// without need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// What has not left by then never leaves.
    pub send_by: Instant,
    /// How long the answer to what has left is waited for.
    pub answer_by: Instant,
}

impl Times {
    /// One deadline for both.
    pub fn until(deadline: Instant) -> Self {
        Self {
            send_by: deadline,
            answer_by: deadline,
        }
    }
}

/// Watches one request leave: from then on the portal may get it, and may execute it. Clones watch the same request.
///
/// A request has left, or it was withdrawn and never leaves; the first of the two to happen is final.
#[derive(Clone)]
pub struct Departure {
    shared: Arc<Shared>,
}

struct Shared {
    state: AtomicU8,
    hook: Mutex<Option<Hook>>,
}

type Hook = Box<dyn FnOnce() + Send>;

const WAITING: u8 = 0;
const LEFT: u8 = 1;
const WITHDRAWN: u8 = 2;

impl Departure {
    /// Runs `hook` when the request leaves, once. It runs in the task of the connection, so it must be short.
    pub fn new(hook: impl FnOnce() + Send + 'static) -> Self {
        Self::with(Some(Box::new(hook)))
    }

    /// Nobody is told.
    pub fn unwatched() -> Self {
        Self::with(None)
    }

    fn with(hook: Option<Hook>) -> Self {
        Self {
            shared: Arc::new(Shared {
                state: AtomicU8::new(WAITING),
                hook: Mutex::new(hook),
            }),
        }
    }

    /// Whether the portal may have the request. Once the call has ended, or was dropped, the answer no longer changes.
    pub fn has_left(&self) -> bool {
        self.shared.state.load(Ordering::Acquire) == LEFT
    }

    /// Lets the request leave. `false`: it was withdrawn and must not leave any more.
    pub(super) fn leave(&self) -> bool {
        if !self.settle(LEFT) {
            return self.has_left();
        }
        // The guard is gone before the hook runs.
        let hook = self
            .shared
            .hook
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(hook) = hook {
            hook();
        }
        true
    }

    /// Keeps the request from leaving. `false`: it has left already.
    pub(super) fn withdraw(&self) -> bool {
        self.settle(WITHDRAWN) || !self.has_left()
    }

    /// Whether this is what becomes of it.
    fn settle(&self, state: u8) -> bool {
        self.shared
            .state
            .compare_exchange(WAITING, state, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }
}

impl fmt::Debug for Departure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Departure")
            .field("has_left", &self.has_left())
            .finish_non_exhaustive()
    }
}

/// Withdraws a request when it is dropped: with the call that was to send it.
pub(super) struct Withdrawal<'a>(pub(super) &'a Departure);

impl Drop for Withdrawal<'_> {
    fn drop(&mut self) {
        self.0.withdraw();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    fn counted() -> (Departure, Arc<AtomicUsize>) {
        let count = Arc::<AtomicUsize>::default();
        let counter = Arc::clone(&count);
        let departure = Departure::new(move || {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        (departure, count)
    }

    #[test]
    fn the_hook_runs_once_when_the_request_leaves() {
        let (departure, count) = counted();
        assert!(!departure.has_left());
        let other = departure.clone();
        assert!(departure.leave() && other.leave());
        assert!(departure.has_left());
        assert_eq!(count.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn what_has_left_cannot_be_withdrawn() {
        let (departure, _) = counted();
        departure.leave();
        assert!(!departure.withdraw());
        drop(Withdrawal(&departure));
        assert!(departure.has_left());
    }

    #[test]
    fn what_was_withdrawn_never_leaves() {
        let (departure, count) = counted();
        drop(Withdrawal(&departure));
        assert!(departure.withdraw());
        assert!(!departure.leave());
        assert!(!departure.has_left());
        assert_eq!(count.load(Ordering::Relaxed), 0);
    }
}
