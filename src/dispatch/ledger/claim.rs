//! The right to send a call with an idempotency key.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;

use super::Recorded;
use super::running::{Hold, Told};
use super::writer::{Ending, Job};
use store::ledger::{End, Outcome, Start};

/// Proof that this process alone may send the call. Only [`super::Ledger::enter`] makes one.
///
/// One that is dropped before [`super::Started::Go`], or after the call came back, says that nothing was executed: whoever
/// waits for the same call goes on. One that is dropped while the call is on its way, by a crash or a stop, says that nobody knows.
#[derive(Debug)]
pub struct Claim {
    /// None once it has ended.
    hold: Option<Hold>,
    start: Start,
    /// Whether the store may have its row.
    is_written: AtomicBool,
    /// Whether the portal may have the request.
    may_be_sent: AtomicBool,
    jobs: mpsc::UnboundedSender<Job>,
}

impl Claim {
    pub(super) fn new(hold: Hold, jobs: mpsc::UnboundedSender<Job>) -> Self {
        let start = Start {
            id: hold.id().clone(),
            fingerprint: hold.fingerprint().bytes(),
            attempt: hold.attempt(),
        };
        Self {
            hold: Some(hold),
            start,
            is_written: AtomicBool::new(false),
            may_be_sent: AtomicBool::new(false),
            jobs,
        }
    }

    /// What to write into the store before the call is sent. From now on its row has to be ended.
    pub(super) fn start(&self) -> Start {
        self.is_written.store(true, Ordering::Relaxed);
        self.start.clone()
    }

    pub(super) fn attempt(&self) -> i64 {
        self.start.attempt
    }

    /// Notes that the row is written, and the call goes to the portal.
    pub(super) fn go(&self) {
        self.may_be_sent.store(true, Ordering::Relaxed);
    }

    /// Notes that the call was certainly not executed, or not sent at all: it may go again, or be given up.
    pub(in crate::dispatch) fn note_not_executed(&self) {
        self.may_be_sent.store(false, Ordering::Relaxed);
    }

    /// What is left to be written, now that it is known what became of the call. Who waits in this process learns it at once.
    pub(super) fn end(mut self, recorded: Recorded) -> Option<Ending> {
        let hold = self.hold.take()?;
        let outcome = match recorded {
            Recorded::Answered(answer) => match serde_json::to_string(&answer) {
                Ok(json) => {
                    hold.tell(Told::Answered(answer));
                    Outcome::Answered(json)
                }
                // An answer is JSON, so this cannot be; and if it is, this is the truth for those who come later.
                Err(_) => Outcome::Unknown,
            },
            Recorded::Unknown => {
                hold.tell(Told::Unknown);
                Outcome::Unknown
            }
            Recorded::NotExecuted => {
                let is_written = self.is_written.load(Ordering::Relaxed);
                return is_written.then(|| self.ending(Some(hold), Outcome::NotExecuted));
            }
        };
        Some(self.ending(Some(hold), outcome))
    }

    fn ending(&self, hold: Option<Hold>, outcome: Outcome) -> Ending {
        let Start { id, attempt, .. } = &self.start;
        let end = End {
            id: id.clone(),
            attempt: *attempt,
            outcome,
        };
        Ending { _hold: hold, end }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let Some(hold) = self.hold.take() else {
            return;
        };
        let ending = if self.may_be_sent.load(Ordering::Relaxed) {
            hold.tell(Told::Unknown);
            self.ending(Some(hold), Outcome::Unknown)
        } else if self.is_written.load(Ordering::Relaxed) {
            // The call is let go of: a later attempt does not mind this row.
            self.ending(None, Outcome::NotExecuted)
        } else {
            return;
        };
        // If nobody writes any more, the row stays as it is: started by a replica that is gone, so unknown.
        let _ = self.jobs.send(Job::End {
            endings: vec![ending],
            done: None,
        });
    }
}
