//! The payload of a queued call.

use std::fmt;

use tokio::sync::oneshot;
use tracing::Span;

use super::ledger::Claim;
use super::not_admitted::NotAdmitted;
use super::send_error::SendError;
use super::sent_flag::SentFlag;
use super::spent::Spent;
use super::weekly_guard::Watched;
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
    /// A network message whose week is guarded.
    pub(super) watched: Option<Box<Watched>>,
    pub(super) tries: Tries,
    /// Where its time went until its last request ended.
    pub(super) spent: Spent,
    pub(super) slot: Slot,
    pub(super) sent_flag: SentFlag,
    pub(super) outcome: oneshot::Sender<CallOutcome>,
    /// The call's span, for traces.
    pub(super) span: Span,
}

/// A call with what decides its turn. Boxed, because it is moved from stage to stage.
pub(super) type ScheduledJob = (SchedulingInfo, Box<Job>);

/// How often a call was retried, by cause.
#[derive(Clone, Debug, Default)]
pub(super) struct Tries {
    pub(super) unreachable: u32,
    pub(super) unprocessed: u32,
    pub(super) new_tokens: u32,
    pub(super) moves: u32,
    /// Why it was not executed the last time.
    pub(super) last: Option<CallError>,
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
    /// The call may be sent from now on: its idempotency key is in use until its outcome is known.
    pub(super) fn note_may_be_sent(&self) {
        if let Some(claim) = &self.claim {
            claim.note_may_be_sent();
        }
    }

    /// The call was definitely not executed: its idempotency key is free unless it is retried.
    pub(super) fn note_not_executed(&self) {
        self.sent_flag.not_executed();
        if let Some(claim) = &self.claim {
            claim.note_not_executed();
        }
    }

    /// Whether the caller has stopped waiting.
    pub(super) fn is_cancelled(&self) -> bool {
        self.outcome.is_closed() || self.sent_flag.is_cancelled()
    }

    /// Returns the result of a call that was sent, if the caller still waits.
    pub(super) fn sent(self, result: Result<Delivered, SendError>) {
        self.close(&result, self.spent);
        drop(self.outcome.send(CallOutcome::Sent(result, self.spent)));
    }

    pub(super) fn not_sent(self, why: NotAdmitted) {
        self.note_not_executed();
        let spent = self.sent_flag.spent();
        // The portal's own response says more.
        let outcome = match (self.tries.last, why.retry_after()) {
            (Some(error), Some(retry_after)) => {
                CallOutcome::Sent(Err(SendError::later(error, retry_after)), spent)
            }
            (Some(error), None) => CallOutcome::Sent(Err(error.into()), spent),
            (None, _) => CallOutcome::NotSent(why, spent),
        };
        if let (Some(trail), CallOutcome::Sent(Err(error), spent)) =
            (self.sent_flag.trail(), &outcome)
        {
            trail.close(Err(error), *spent);
        }
        drop(self.outcome.send(outcome));
    }

    /// The portal blocks all calls of its tenant.
    pub(super) fn blocked(self, error: SendError) {
        self.note_not_executed();
        let spent = self.sent_flag.spent();
        let result = Err(error);
        self.close(&result, spent);
        drop(self.outcome.send(CallOutcome::Sent(result, spent)));
    }

    pub(super) fn overtaken(self) {
        let spent = self.sent_flag.spent();
        drop(self.outcome.send(CallOutcome::Overtaken(spent)));
    }

    /// Writes the last line of the call's audit.
    fn close(&self, result: &Result<Delivered, SendError>, spent: Spent) {
        if let Some(trail) = self.sent_flag.trail() {
            let answer = result.as_ref().map(|delivered| &delivered.answer);
            trail.close(answer, spent);
        }
    }

    /// Returns the job to the caller, to be sent elsewhere.
    pub(super) fn moved(mut self: Box<Self>) {
        let (unused, _) = oneshot::channel();
        let outcome = std::mem::replace(&mut self.outcome, unused);
        drop(outcome.send(CallOutcome::Moved(self)));
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
