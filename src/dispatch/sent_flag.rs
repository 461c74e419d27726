//! Whether a call was sent or cancelled. The first of the two is decided in one step.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::delivery::Delivery;
use super::spent::Spent;
use super::trail::Trail;

/// Whether one call was sent or cancelled, and when. Clones share the call.
///
/// A cancelled call is never sent. A sent call cannot be cancelled until it is known that it was
/// not executed.
#[derive(Clone)]
pub(super) struct SentFlag {
    shared: Arc<Shared>,
}

struct Shared {
    /// One of the constants, or when the call was sent: microseconds since `begun`, after
    /// [`SENT`].
    state: AtomicU64,
    /// Microseconds at the portal, of all attempts that have ended.
    at_portal: AtomicU64,
    begun: Instant,
    /// Hears of each change.
    delivery: Delivery,
}

const WAITING: u64 = 0;
const CANCELLED: u64 = 1;
/// The request has ended, and the call was executed or may have been.
const ENDED: u64 = 2;
const SENT: u64 = 3;

impl SentFlag {
    /// Of a call that arrives now.
    pub(super) fn new(delivery: Delivery) -> Self {
        Self {
            shared: Arc::new(Shared {
                state: AtomicU64::new(WAITING),
                at_portal: AtomicU64::new(0),
                begun: Instant::now(),
                delivery,
            }),
        }
    }

    /// The audit of the call.
    pub(super) fn trail(&self) -> Option<&Trail> {
        self.shared.delivery.trail.as_ref()
    }

    /// Marks the call as sent. `false`: it was cancelled and must not be sent.
    pub(super) fn send(&self) -> bool {
        // Before, so that nobody can read that it is not sent when it is.
        self.shared.delivery.note_sent(true);
        let is_sent = self.decide(SENT.saturating_add(micros(self.shared.begun.elapsed())));
        if !is_sent {
            self.shared.delivery.note_sent(false);
        }
        is_sent
    }

    /// Cancels the call. `false`: it was sent.
    pub(super) fn cancel(&self) -> bool {
        self.decide(CANCELLED) || self.is_cancelled()
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.state() == CANCELLED
    }

    /// The request of the call has ended. Returns where the call's time went so far.
    pub(super) fn ended(&self) -> Spent {
        let shared = &self.shared;
        if let Some(portal) = self.since_sent() {
            shared
                .at_portal
                .fetch_add(micros(portal), Ordering::Relaxed);
            shared.state.store(ENDED, Ordering::Release);
        }
        self.spent()
    }

    /// The call was definitely not executed: it waits again, or is still cancelled.
    pub(super) fn not_executed(&self) {
        let state = &self.shared.state;
        let waits = |known| (known != CANCELLED).then_some(WAITING);
        let _ = state.fetch_update(Ordering::AcqRel, Ordering::Acquire, waits);
        self.shared.delivery.note_sent(false);
    }

    /// Where the call's time went so far.
    pub(super) fn spent(&self) -> Spent {
        let ended = Duration::from_micros(self.shared.at_portal.load(Ordering::Relaxed));
        let portal = ended + self.since_sent().unwrap_or_default();
        Spent {
            waiting: self.shared.begun.elapsed().saturating_sub(portal),
            portal,
        }
    }

    fn since_sent(&self) -> Option<Duration> {
        let sent = self.state().checked_sub(SENT)?;
        let passed = self.shared.begun.elapsed();
        Some(passed.saturating_sub(Duration::from_micros(sent)))
    }

    fn state(&self) -> u64 {
        self.shared.state.load(Ordering::Acquire)
    }

    /// Whether `state` became final here.
    fn decide(&self, state: u64) -> bool {
        self.shared
            .state
            .compare_exchange(WAITING, state, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

impl fmt::Debug for SentFlag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SentFlag").field(&self.state()).finish()
    }
}

/// A flag, and whether it has noted that its call may be sent.
#[cfg(test)]
pub(super) fn flag() -> (SentFlag, impl Fn() -> bool) {
    let delivery = Delivery {
        context: crate::call::CallContext::default(),
        trail: None,
    };
    let context = delivery.context.clone();
    let noted = move || context.progress() != crate::call::Progress::NotStarted;
    (SentFlag::new(delivery), noted)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_call_is_sent_or_cancelled_and_never_both() {
        for _ in 0..2_000 {
            let (flag, noted) = flag();
            let other = flag.clone();
            let sending = std::thread::spawn(move || other.send());
            let is_cancelled = flag.cancel();
            let is_sent = sending.join().unwrap();
            assert_ne!(is_sent, is_cancelled);
            assert_eq!(noted(), is_sent);
        }
    }

    #[test]
    fn a_call_that_was_not_executed_can_be_sent_or_cancelled_again() {
        let (flag, noted) = flag();
        assert!(flag.send() && !flag.cancel());
        flag.ended();
        assert!(!flag.cancel());
        flag.not_executed();
        assert!(!noted());
        assert!(flag.cancel());
        flag.not_executed();
        assert!(!flag.send());
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_at_the_portal_is_that_between_sending_and_the_end_of_each_attempt() {
        let (flag, _) = flag();
        tokio::time::advance(3 * SECOND).await;
        flag.send();
        tokio::time::advance(2 * SECOND).await;
        let spent = |waiting, portal| Spent { waiting, portal };
        assert_eq!(flag.spent(), spent(3 * SECOND, 2 * SECOND));
        assert_eq!(flag.ended(), spent(3 * SECOND, 2 * SECOND));
        flag.not_executed();
        tokio::time::advance(4 * SECOND).await;
        assert_eq!(flag.spent(), spent(7 * SECOND, 2 * SECOND));
        flag.send();
        tokio::time::advance(SECOND).await;
        assert_eq!(flag.spent(), spent(7 * SECOND, 3 * SECOND));
    }
}
