//! The right to send a call with an idempotency key.

use std::sync::atomic::{AtomicBool, Ordering};

use super::ending::Ending;
use super::lanes::Lanes;
use super::recorded::{Recorded, Settled};
use super::running::KeyGuard;
use store::ledger::{End, Outcome, Start};

/// Proof that this process alone may send the call. Only [`super::Ledger::enter`] makes one.
///
/// Dropping it before the call may be sent, or after it was not executed, lets the next attempt
/// proceed. Dropping it while the call is in flight, by a crash or a shutdown, makes the
/// outcome unknown.
#[derive(Debug)]
pub struct Claim {
    /// None once it has ended.
    guard: Option<KeyGuard>,
    start: Start,
    /// Whether the store may have a row for it.
    is_written: AtomicBool,
    /// Whether the portal may have the request.
    may_be_sent: AtomicBool,
    lanes: Lanes,
}

impl Claim {
    pub(super) fn new(guard: KeyGuard, replaces: Option<i64>, lanes: Lanes) -> Self {
        let start = Start {
            id: guard.id().clone(),
            fingerprint: guard.fingerprint().bytes(),
            attempt: guard.attempt(),
            replaces,
        };
        Self {
            guard: Some(guard),
            start,
            is_written: AtomicBool::new(false),
            may_be_sent: AtomicBool::new(false),
            lanes,
        }
    }

    /// The row to write before the call is sent. From now on the row must be ended.
    pub(super) fn start(&self) -> Start {
        self.is_written.store(true, Ordering::Relaxed);
        self.start.clone()
    }

    pub(super) fn attempt(&self) -> i64 {
        self.start.attempt
    }

    /// The call, whose row is written, may be sent from now on.
    pub fn note_may_be_sent(&self) {
        self.may_be_sent.store(true, Ordering::Relaxed);
    }

    /// The call was definitely not executed: it may be retried or dropped.
    pub(in crate::dispatch) fn note_not_executed(&self) {
        self.may_be_sent.store(false, Ordering::Relaxed);
    }

    /// Ends the call with its outcome. Waiting attempts in this process get it at once; the result
    /// must be written.
    pub(super) fn end(mut self, recorded: Recorded) -> Option<Ending> {
        let guard = self.guard.take()?;
        let outcome = match recorded {
            Recorded::Answered(answer) => match serde_json::to_string(&answer) {
                Ok(json) => {
                    guard.settle(Settled::Answered(answer));
                    Outcome::Answered(json)
                }
                // Cannot fail: a response is JSON.
                Err(_) => Outcome::Unknown,
            },
            Recorded::Unknown => {
                guard.settle(Settled::Unknown);
                Outcome::Unknown
            }
            Recorded::NotExecuted => {
                if !self.is_written.load(Ordering::Relaxed) {
                    return None;
                }
                guard.note_unsent();
                // Without the guard: the caller may correct its request and try again at once.
                return Some(Ending::of(
                    self.ended(Outcome::NotExecuted),
                    &self.lanes.backlog,
                ));
            }
        };
        let end = self.ended(outcome);
        Some(Ending::guarding(guard, end, &self.lanes.backlog))
    }

    fn ended(&self, outcome: Outcome) -> End {
        let Start { id, attempt, .. } = &self.start;
        End {
            id: id.clone(),
            attempt: *attempt,
            outcome,
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let Some(guard) = self.guard.take() else {
            return;
        };
        // If the writer has stopped, the row stays: started by a dead replica, so unknown.
        if self.may_be_sent.load(Ordering::Relaxed) {
            guard.settle(Settled::Unknown);
            let end = self.ended(Outcome::Unknown);
            self.lanes
                .end(Ending::guarding(guard, end, &self.lanes.backlog));
        } else if self.is_written.load(Ordering::Relaxed) {
            guard.note_unsent();
            // Without the guard: a later attempt need not wait for this row.
            let end = self.ended(Outcome::NotExecuted);
            self.lanes
                .end_behind_starts(Ending::of(end, &self.lanes.backlog));
        }
    }
}
