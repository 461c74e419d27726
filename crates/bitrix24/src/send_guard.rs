//! Until when a request may be sent and its response is awaited, and whether it was sent.

use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

/// The two deadlines of a request.
///
/// A sent request is not cancelled at `send_by`: its outcome would be unknown without need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// A request that was not sent by then is cancelled.
    pub send_by: Instant,
    /// How long the response to a sent request is awaited.
    pub answer_by: Instant,
}

impl Deadlines {
    /// One deadline for both.
    pub fn until(deadline: Instant) -> Self {
        Self {
            send_by: deadline,
            answer_by: deadline,
        }
    }
}

/// Whether one request was sent: from then on the portal may execute it. Clones share the request.
///
/// A request is either sent or cancelled; the first of the two is final.
#[derive(Clone)]
pub struct SendGuard {
    shared: Arc<Shared>,
}

struct Shared {
    state: AtomicU8,
    hook: Mutex<Option<Hook>>,
}

type Hook = Box<dyn FnOnce() -> bool + Send>;

const WAITING: u8 = 0;
const SENT: u8 = 1;
const CANCELLED: u8 = 2;

impl SendGuard {
    /// Runs `hook` once, when the request is about to be sent, as a step of its connection: so it
    /// must be short. `false` from it cancels the request: it is not sent.
    pub fn new(hook: impl FnOnce() -> bool + Send + 'static) -> Self {
        Self::with(Some(Box::new(hook)))
    }

    /// A guard without a hook.
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

    /// Whether the portal may have the request. Final once the call has ended or was dropped.
    pub fn was_sent(&self) -> bool {
        self.shared.state.load(Ordering::Acquire) == SENT
    }

    /// Marks the request as sent. `false`: it was cancelled and must not be sent. For what sends
    /// requests: [`Client`](crate::Client), or a test in its place.
    pub fn send(&self) -> bool {
        if !self.decide(SENT) {
            return self.was_sent();
        }
        // The lock is released before the hook runs.
        let hook = self
            .shared
            .hook
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let is_sent = hook.is_none_or(|hook| hook());
        if !is_sent {
            self.shared.state.store(CANCELLED, Ordering::Release);
        }
        is_sent
    }

    /// Whether the request was neither sent nor cancelled.
    pub(crate) fn is_waiting(&self) -> bool {
        self.shared.state.load(Ordering::Acquire) == WAITING
    }

    /// Whether the request was cancelled.
    pub(crate) fn was_cancelled(&self) -> bool {
        self.shared.state.load(Ordering::Acquire) == CANCELLED
    }

    /// Keeps the request from being sent. `false`: it was sent already.
    pub fn cancel(&self) -> bool {
        self.decide(CANCELLED) || !self.was_sent()
    }

    /// Whether `state` became final here.
    fn decide(&self, state: u8) -> bool {
        self.shared
            .state
            .compare_exchange(WAITING, state, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }
}

impl fmt::Debug for SendGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendGuard")
            .field("was_sent", &self.was_sent())
            .finish_non_exhaustive()
    }
}

/// Cancels a request that was not sent when its call ends or is dropped.
pub(crate) struct CancelOnDrop<'a>(pub(crate) &'a SendGuard);

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    fn counted() -> (SendGuard, Arc<AtomicUsize>) {
        let count = Arc::<AtomicUsize>::default();
        let counter = Arc::clone(&count);
        let guard = SendGuard::new(move || {
            counter.fetch_add(1, Ordering::Relaxed);
            true
        });
        (guard, count)
    }

    #[test]
    fn the_hook_runs_once_when_the_request_is_sent() {
        let (guard, count) = counted();
        assert!(!guard.was_sent());
        let other = guard.clone();
        assert!(guard.send() && other.send());
        assert!(guard.was_sent());
        assert_eq!(count.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_sent_request_cannot_be_cancelled() {
        let (guard, _) = counted();
        guard.send();
        assert!(!guard.cancel());
        drop(CancelOnDrop(&guard));
        assert!(guard.was_sent());
    }

    #[test]
    fn the_hook_can_cancel_the_request_at_the_last_moment() {
        let guard = SendGuard::new(|| false);
        assert!(!guard.send());
        assert!(!guard.was_sent() && guard.was_cancelled());
        assert!(!guard.send());
    }

    #[test]
    fn a_cancelled_request_is_never_sent() {
        let (guard, count) = counted();
        drop(CancelOnDrop(&guard));
        assert!(guard.cancel());
        assert!(!guard.send());
        assert!(!guard.was_sent());
        assert_eq!(count.load(Ordering::Relaxed), 0);
    }
}
