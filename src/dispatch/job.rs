//! The payload of a queued call.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;
use tracing::Span;

use super::ledger::Claim;
use super::not_admitted::NotAdmitted;
use super::send_error::SendError;
use crate::tenant::Opened;
use bitrix24::{Answer, CallError, Command, Method, Parameters};
use pacing::{SchedulingInfo, Slot};

/// What it takes to send a call and to return its outcome.
pub(super) struct Job {
    pub(super) opened: Opened,
    pub(super) method: Method,
    pub(super) parameters: Parameters,
    /// Its form in a batch, if it may be batched.
    pub(super) command: Option<Command>,
    /// The claim on its idempotency key.
    pub(super) claim: Option<Claim>,
    pub(super) tries: Tries,
    pub(super) spent: Spent,
    pub(super) slot: Slot,
    pub(super) sent_flag: SentFlag,
    pub(super) outcome: oneshot::Sender<CallOutcome>,
    /// The call's span, for traces.
    pub(super) span: Span,
}

/// A call with what decides its turn.
pub(super) type ScheduledJob = (SchedulingInfo, Job);

/// Called when the portal may be executing the call from now on, and when it is not after all.
pub(crate) type NoteSent = Arc<dyn Fn(bool) + Send + Sync>;

/// Whether the portal may be executing a call.
#[derive(Clone)]
pub(super) struct SentFlag {
    is_set: Arc<AtomicBool>,
    note: NoteSent,
}

impl SentFlag {
    /// Not set. `note` gets each change.
    pub(super) fn new(note: NoteSent) -> Self {
        Self {
            is_set: Arc::default(),
            note,
        }
    }

    fn set(&self, sent: bool) {
        self.is_set.store(sent, Ordering::Relaxed);
        (self.note)(sent);
    }

    pub(super) fn is_set(&self) -> bool {
        self.is_set.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for SentFlag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SentFlag").field(&self.is_set).finish()
    }
}

/// How often a call was retried, by cause.
#[derive(Clone, Debug, Default)]
pub(super) struct Tries {
    pub(super) unreachable: u32,
    pub(super) new_tokens: u32,
    pub(super) moves: u32,
    /// Why it was not executed the last time.
    pub(super) last: Option<CallError>,
}

/// Where a call's time went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spent {
    /// Waiting for its turn.
    pub(crate) waiting: Duration,
    /// Waiting for the portal.
    pub(crate) portal: Duration,
}

/// A call with a response of the portal.
#[derive(Clone, Debug)]
pub(crate) struct Delivered {
    /// The response.
    pub(crate) answer: Answer,
    /// Whether it is the response to an earlier attempt.
    pub(crate) is_replayed: bool,
}

/// How a queued call ended.
#[derive(Debug)]
pub(super) enum CallOutcome {
    Sent(Result<Delivered, SendError>, Spent),
    NotSent(NotAdmitted, Spent),
    /// Its portal has moved: it must be sent there.
    Moved(Box<Job>),
    /// Another replica runs it, for the same idempotency key.
    Overtaken(Spent),
}

impl Job {
    /// The portal may be executing the call from now on.
    pub(super) fn note_sent(&self) {
        self.sent_flag.set(true);
    }

    /// The call was definitely not executed: its idempotency key is free unless it is retried.
    pub(super) fn note_not_executed(&self) {
        self.sent_flag.set(false);
        if let Some(claim) = &self.claim {
            claim.note_not_executed();
        }
    }

    /// Whether the caller has stopped waiting.
    pub(super) fn is_cancelled(&self) -> bool {
        self.outcome.is_closed()
    }

    /// Returns the result of a call that was sent, if the caller still waits.
    pub(super) fn sent(self, result: Result<Delivered, SendError>) {
        drop(self.outcome.send(CallOutcome::Sent(result, self.spent)));
    }

    pub(super) fn not_sent(self, why: NotAdmitted) {
        self.note_not_executed();
        // The portal's own response says more.
        let outcome = match (self.tries.last, why.retry_after()) {
            (Some(error), Some(retry_after)) => {
                CallOutcome::Sent(Err(SendError::later(error, retry_after)), self.spent)
            }
            (Some(error), None) => CallOutcome::Sent(Err(error.into()), self.spent),
            (None, _) => CallOutcome::NotSent(why, self.spent),
        };
        drop(self.outcome.send(outcome));
    }

    pub(super) fn overtaken(self) {
        drop(self.outcome.send(CallOutcome::Overtaken(self.spent)));
    }

    /// Returns the job to the caller, to be sent elsewhere.
    pub(super) fn moved(mut self) {
        let (unused, _) = oneshot::channel();
        let outcome = std::mem::replace(&mut self.outcome, unused);
        drop(outcome.send(CallOutcome::Moved(Box::new(self))));
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("tries", &self.tries)
            .field("spent", &self.spent)
            .finish_non_exhaustive()
    }
}
