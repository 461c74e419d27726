//! The state of one connection that its calls, its socket and the sweep share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::task::Context;
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::time::Instant;

use super::unread::{AllUnread, Unread};
use crate::listener::{Cause, Recall};
use crate::server::peer::Peer;

/// Headers of responses that may wait because the peer reads nothing. Then its requests are not
/// read either.
const QUEUED_RESPONSES: usize = 64;
/// The same for a peer that has shown no credential. Then its connection ends.
const QUEUED_FOR_A_STRANGER: usize = 16;
/// Calls of a peer without an accepted credential whose tasks may wait for a processor. No more is
/// read of it then: on a busy machine reading is faster than answering.
const WAITING_FOR_A_PROCESSOR: usize = 4;
/// In how many seconds the allowance for cancelled calls is filled again.
const REFILL_SECONDS: i64 = 20;

/// One connection.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) peer: Arc<Peer>,
    pub(super) recall: Arc<Recall>,
    pub(super) unread: Arc<Unread>,
    /// Calls in progress, without those about the server itself.
    calls: AtomicUsize,
    /// Calls whose tasks have had no turn yet.
    not_begun: AtomicUsize,
    /// Whoever reads on when such a task has its turn.
    reader: AtomicWaker,
    /// Calls that may be cancelled yet.
    cancellations: AtomicI64,
    most_cancellations: i64,
    /// Requests that were broken off, and whose responses are still to come: nobody reads them.
    broken_off: AtomicUsize,
    begun: Instant,
    is_blocked: AtomicBool,
    /// When the socket took nothing any more, in milliseconds since the begin.
    blocked_since: AtomicU64,
    /// Responses since then.
    queued: AtomicUsize,
}

impl Link {
    /// A connection that may have so many calls at once.
    pub(super) fn new(
        peer: Arc<Peer>,
        recall: Arc<Recall>,
        all: &Arc<AllUnread>,
        streams: u32,
    ) -> Arc<Self> {
        // All of them and as many again: the next ones may be on their way when the first are
        // cancelled.
        let most_cancellations = i64::from(streams).saturating_mul(2);
        Arc::new(Self {
            peer,
            recall,
            unread: Unread::new(all),
            calls: AtomicUsize::new(0),
            not_begun: AtomicUsize::new(0),
            reader: AtomicWaker::new(),
            cancellations: AtomicI64::new(most_cancellations),
            most_cancellations,
            broken_off: AtomicUsize::new(0),
            begun: Instant::now(),
            is_blocked: AtomicBool::new(false),
            blocked_since: AtomicU64::new(0),
            queued: AtomicUsize::new(0),
        })
    }

    pub(super) fn call_begun(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn call_ended(&self) {
        self.calls.fetch_sub(1, Ordering::Relaxed);
    }

    /// A call was made, and its task is to answer it.
    pub(super) fn note_made(&self) {
        self.not_begun.fetch_add(1, Ordering::AcqRel);
    }

    /// The task of a call has its first turn, or never will.
    pub(super) fn note_begun(&self) {
        self.not_begun.fetch_sub(1, Ordering::AcqRel);
        self.reader.wake();
    }

    /// Whether so many calls of a stranger wait for a processor that no more of it is to be read.
    /// The task of `context` is woken when one of them has its turn.
    pub(super) fn is_ahead(&self, context: &Context<'_>) -> bool {
        let is_ahead = || self.not_begun.load(Ordering::Acquire) >= WAITING_FOR_A_PROCESSOR;
        is_ahead() && {
            self.reader.register(context.waker());
            is_ahead()
        }
    }

    /// The peer has cancelled a call whose request is being read. The call gets a response
    /// nevertheless.
    pub(super) fn note_broken_off(&self) {
        self.broken_off.fetch_add(1, Ordering::Relaxed);
    }

    /// A call has its response: that makes up for a cancelled one.
    pub(super) fn note_response(&self) {
        if self.broken_off.load(Ordering::Relaxed) > 0 {
            self.broken_off.fetch_sub(1, Ordering::Relaxed);
            return self.note_cancelled();
        }
        if self.cancellations.load(Ordering::Relaxed) < self.most_cancellations {
            self.cancellations.fetch_add(1, Ordering::Relaxed);
        }
        if self.is_blocked()
            && self.queued.fetch_add(1, Ordering::Relaxed) >= QUEUED_FOR_A_STRANGER
            && !self.peer.is_authenticated()
        {
            self.recall.cut_for(Cause::Unread);
        }
    }

    /// The peer has cancelled a call ("rapid reset", CVE-2023-44487).
    pub(super) fn note_cancelled(&self) {
        if self.cancellations.fetch_sub(1, Ordering::Relaxed) <= 0 {
            self.recall.cut_for(Cause::ResetFlood);
        }
    }

    /// A second has passed: a peer may cancel some calls for ever.
    pub(super) fn allow_cancellations(&self) {
        let left = self.cancellations.load(Ordering::Relaxed);
        let more = (self.most_cancellations - left).min(self.most_cancellations / REFILL_SECONDS);
        self.cancellations.fetch_add(more, Ordering::Relaxed);
    }

    /// The socket takes nothing.
    pub(super) fn note_blocked(&self) {
        if !self.is_blocked() {
            let now = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.blocked_since.store(now, Ordering::Relaxed);
            self.queued.store(0, Ordering::Relaxed);
            self.is_blocked.store(true, Ordering::Relaxed);
        }
    }

    /// The socket takes something again.
    pub(super) fn note_unblocked(&self) {
        self.is_blocked.store(false, Ordering::Relaxed);
    }

    pub(super) fn is_blocked(&self) -> bool {
        self.is_blocked.load(Ordering::Relaxed)
    }

    /// Whether so many responses wait for the socket that no more requests are to be read.
    pub(super) fn is_congested(&self) -> bool {
        self.is_blocked() && self.queued.load(Ordering::Relaxed) >= QUEUED_RESPONSES
    }

    /// Whether the socket has taken nothing for so long.
    pub(super) fn is_blocked_for(&self, limit: Duration) -> bool {
        let since = Duration::from_millis(self.blocked_since.load(Ordering::Relaxed));
        self.is_blocked() && self.begun.elapsed().saturating_sub(since) >= limit
    }

    /// Whether nothing is lost if the connection ends now. Strangers have nothing to lose.
    pub(super) fn is_quiet(&self) -> bool {
        let idle = self.calls.load(Ordering::Relaxed) == 0 && self.unread.bytes() == 0;
        idle || !self.peer.is_authenticated()
    }
}
