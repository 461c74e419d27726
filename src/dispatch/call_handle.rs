//! Waiting for the outcome of a call.

use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::driver::PortalDriver;
use super::job::CallOutcome;
use super::not_admitted::NotAdmitted;
use super::send_error::SendError;
use super::sent_flag::SentFlag;
use crate::call::margins::LAST_WORD;
use bitrix24::{CallError, Outcome, Unanswered};
use pacing::{CallNumber, Rejection};

/// Handle to an admitted call. Dropping it cancels the call unless it was already sent.
#[derive(Debug)]
pub(super) struct CallHandle {
    driver: Arc<PortalDriver>,
    number: CallNumber,
    outcome: oneshot::Receiver<CallOutcome>,
    sent_flag: SentFlag,
    is_over: bool,
}

impl CallHandle {
    pub(super) fn new(
        driver: Arc<PortalDriver>,
        number: CallNumber,
        outcome: oneshot::Receiver<CallOutcome>,
        sent_flag: SentFlag,
    ) -> Self {
        Self {
            driver,
            number,
            outcome,
            sent_flag,
            is_over: false,
        }
    }

    /// Waits for the outcome, at most until the deadline.
    pub(super) async fn outcome(mut self, deadline: Instant) -> CallOutcome {
        let in_time = tokio::time::timeout_at(deadline, &mut self.outcome).await;
        let outcome = match in_time {
            Ok(received) => received.unwrap_or_else(|_crashed| self.crashed()),
            Err(_elapsed) => match self.cancelled() {
                Some(cancelled) => cancelled,
                None => self.overdue().await,
            },
        };
        self.is_over = true;
        outcome
    }

    /// The deadline has passed. `None` if the call was sent.
    fn cancelled(&self) -> Option<CallOutcome> {
        if !self.sent_flag.cancel() {
            return None;
        }
        let spent = self.sent_flag.spent();
        self.driver.context.count(&DEADLINE_PASSED);
        let last = self.driver.cancel(self.number);
        Some(match last.and_then(|job| job.tries.last) {
            // It was sent before, and was not executed.
            Some(error) => CallOutcome::Sent(Err(error.into()), spent),
            None => CallOutcome::NotSent(DEADLINE_PASSED, spent),
        })
    }

    async fn overdue(&mut self) -> CallOutcome {
        if let Ok(Ok(outcome)) = tokio::time::timeout(LAST_WORD, &mut self.outcome).await {
            return outcome;
        }
        // It may have turned out that it was not executed.
        if let Some(cancelled) = self.cancelled() {
            return cancelled;
        }
        let spent = self.sent_flag.spent();
        let lost = CallError::from(Unanswered::DeadlinePassed);
        CallOutcome::Sent(Err(lost.into()), spent)
    }

    /// A bug: the task of the call's request is gone.
    fn crashed(&self) -> CallOutcome {
        let outcome = if self.sent_flag.cancel() {
            Outcome::NotExecuted
        } else {
            Outcome::Unknown
        };
        CallOutcome::Sent(Err(SendError::Crashed { outcome }), self.sent_flag.spent())
    }
}

const DEADLINE_PASSED: NotAdmitted = NotAdmitted::Rejected(Rejection::DeadlinePassed);

impl Drop for CallHandle {
    fn drop(&mut self) {
        if !self.is_over {
            // First, so that a retry that returns just now is not queued again.
            self.outcome.close();
            self.sent_flag.cancel();
            drop(self.driver.cancel(self.number));
        }
    }
}
