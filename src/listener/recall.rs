//! How a connection is told to end, from outside of its task.
//!
//! The task of a connection asks on every wake, so asking takes no lock.

use std::sync::OnceLock;
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;

/// Why a connection is told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The service stops.
    Stop,
    /// Its place is needed for another.
    Evicted,
    /// Its peer does not read the responses.
    Unread,
    /// Its peer cancels calls as fast as it makes them.
    ResetFlood,
    /// Its peer makes calls without a valid credential, too many of them.
    Unauthenticated,
}

/// An order to end, which a connection may get at any time.
#[derive(Debug, Default)]
pub(crate) struct Recall {
    leave: OnceLock<Cause>,
    cut: OnceLock<Cause>,
    waker: AtomicWaker,
}

impl Recall {
    /// Tells the connection to end when its calls have.
    pub(crate) fn leave_for(&self, cause: Cause) {
        let _ = self.leave.set(cause);
        self.waker.wake();
    }

    /// Tells the connection to end at once.
    pub(crate) fn cut_for(&self, cause: Cause) {
        let _ = self.cut.set(cause);
        self.waker.wake();
    }

    /// Wakes the task of this context at the next order.
    pub(crate) fn register(&self, context: &Context<'_>) {
        self.waker.register(context.waker());
    }

    /// Why it is to end when its calls have, if it is.
    pub(crate) fn leaves(&self) -> Option<Cause> {
        self.leave.get().copied()
    }

    /// Why it is to end at once, if it is.
    pub(crate) fn is_cut(&self) -> Option<Cause> {
        self.cut.get().copied()
    }

    /// Completes when the connection is to end at once.
    pub(crate) async fn cut(&self) {
        std::future::poll_fn(|context| {
            self.register(context);
            match self.is_cut() {
                Some(_) => Poll::Ready(()),
                None => Poll::Pending,
            }
        })
        .await;
    }

    /// Completes at the first order, whichever it is.
    pub(crate) async fn any(&self) -> Cause {
        std::future::poll_fn(|context| {
            self.register(context);
            match self.is_cut().or_else(|| self.leaves()) {
                Some(cause) => Poll::Ready(cause),
                None => Poll::Pending,
            }
        })
        .await
    }
}
