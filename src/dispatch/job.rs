//! What a call carries while it waits and flies.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;
use tracing::Span;

use super::ledger::Claim;
use super::not_admitted::NotAdmitted;
use super::room::Seat;
use super::send_error::SendError;
use crate::tenant::Opened;
use bitrix24::{Answer, CallError, Command, Parameters};

/// A call on its way to its end.
pub(super) struct Job {
    pub(super) opened: Opened,
    pub(super) parameters: Parameters,
    /// Its form in a batch, if it may travel in one.
    pub(super) command: Option<Command>,
    /// Its right to run for its idempotency key.
    pub(super) claim: Option<Claim>,
    pub(super) tries: Tries,
    pub(super) spent: Spent,
    pub(super) seat: Seat,
    pub(super) sending: Sending,
    pub(super) end: oneshot::Sender<Ended>,
    /// The call's span, for traces.
    pub(super) span: Span,
}

/// Told whether the portal may be executing a call from now on.
pub type NoteSent = Arc<dyn Fn(bool) + Send + Sync>;

/// Whether the portal may be executing a call.
#[derive(Clone)]
pub(super) struct Sending {
    may_be: Arc<AtomicBool>,
    note: NoteSent,
}

impl Sending {
    /// Not yet. `note` is told of each change.
    pub(super) fn new(note: NoteSent) -> Self {
        Self {
            may_be: Arc::default(),
            note,
        }
    }

    pub(super) fn note(&self, may_be: bool) {
        self.may_be.store(may_be, Ordering::Relaxed);
        (self.note)(may_be);
    }

    pub(super) fn may_be(&self) -> bool {
        self.may_be.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Sending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sending").field(&self.may_be).finish()
    }
}

/// How often a call was sent and for what it was sent again.
#[derive(Clone, Debug, Default)]
pub(super) struct Tries {
    pub(super) unreachable: u32,
    pub(super) rate_limited: u32,
    pub(super) new_tokens: u32,
    pub(super) moves: u32,
    /// Why it was not executed the last time.
    pub(super) last: Option<CallError>,
}

/// Where a call's time went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// Waiting for its turn.
    pub waiting: Duration,
    /// Waiting for the portal.
    pub portal: Duration,
}

/// A call that the portal has answered.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// The answer.
    pub answer: Answer,
    /// Whether the answer was given to an earlier attempt.
    pub is_replayed: bool,
}

/// What becomes of a call.
#[derive(Debug)]
pub(super) enum Ended {
    /// It was sent.
    Sent(Result<Delivered, SendError>, Spent),
    /// It was not sent.
    NotSent(NotAdmitted, Spent),
    /// Its portal has moved: it has to be sent there.
    Moved(Box<Job>),
    /// Another replica runs it, for the same idempotency key.
    Overtaken(Spent),
}

impl Job {
    /// The call is on its way from now on.
    pub(super) fn leaves(&self) {
        self.sending.note(true);
    }

    /// The call was certainly not executed: its idempotency key is free unless it is sent again.
    pub(super) fn came_back(&self) {
        self.sending.note(false);
        if let Some(claim) = &self.claim {
            claim.came_back();
        }
    }

    /// Whether nobody waits for it any more.
    pub(super) fn is_abandoned(&self) -> bool {
        self.end.is_closed()
    }

    /// Tells whoever waits, if somebody does.
    pub(super) fn sent(self, outcome: Result<Delivered, SendError>) {
        // Nobody may be waiting any more.
        drop(self.end.send(Ended::Sent(outcome, self.spent)));
    }

    pub(super) fn not_sent(self, why: NotAdmitted) {
        self.came_back();
        // What the portal has said says more.
        let ended = match (self.tries.last, why.retry_after()) {
            (Some(error), Some(retry_after)) => {
                Ended::Sent(Err(SendError::later(error, retry_after)), self.spent)
            }
            (Some(error), None) => Ended::Sent(Err(error.into()), self.spent),
            (None, _) => Ended::NotSent(why, self.spent),
        };
        drop(self.end.send(ended));
    }

    pub(super) fn overtaken(self) {
        drop(self.end.send(Ended::Overtaken(self.spent)));
    }

    /// Gives the job to whoever waits for it, to be sent elsewhere.
    pub(super) fn moved(mut self) {
        let (end, _nobody) = oneshot::channel();
        let end = std::mem::replace(&mut self.end, end);
        drop(end.send(Ended::Moved(Box::new(self))));
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
