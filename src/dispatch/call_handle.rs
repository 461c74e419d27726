//! Waiting for the outcome of a call.

use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::driver::PortalDriver;
use super::job::{CallOutcome, Job, SentFlag, Spent};
use super::not_admitted::NotAdmitted;
use super::send_error::SendError;
use crate::call::margins::LAST_WORD;
use bitrix24::{CallError, Unanswered};
use pacing::{CallNumber, Rejection};

/// Handle to an admitted call. Dropping it cancels the call unless it was already sent.
#[derive(Debug)]
pub(super) struct CallHandle {
    driver: Arc<PortalDriver>,
    number: CallNumber,
    outcome: oneshot::Receiver<CallOutcome>,
    sent_flag: SentFlag,
    is_over: bool,
    begun: Instant,
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
            begun: Instant::now(),
        }
    }

    /// Waits for the outcome, at most until the deadline.
    pub(super) async fn outcome(mut self, deadline: Instant) -> CallOutcome {
        let in_time = tokio::time::timeout_at(deadline, &mut self.outcome).await;
        self.is_over = true;
        match in_time {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_crashed)) => CallOutcome::Sent(Err(SendError::Crashed), Spent::default()),
            Err(_elapsed) => match self.driver.cancel(self.number) {
                Some(job) => self.cancelled(job),
                None => self.overdue().await,
            },
        }
    }

    fn cancelled(&self, job: Job) -> CallOutcome {
        let waiting = self.begun.elapsed().saturating_sub(job.spent.portal);
        match job.tries.last {
            Some(error) => {
                self.driver.context.count(&DEADLINE_PASSED);
                CallOutcome::Sent(
                    Err(error.into()),
                    Spent {
                        waiting,
                        ..job.spent
                    },
                )
            }
            None => self.not_sent(Spent {
                waiting,
                ..job.spent
            }),
        }
    }

    async fn overdue(&mut self) -> CallOutcome {
        if let Ok(Ok(outcome)) = tokio::time::timeout(LAST_WORD, &mut self.outcome).await {
            return outcome;
        }
        let passed = self.begun.elapsed();
        if !self.sent_flag.is_set() {
            // For example because the ledger is slow. It is not sent after its deadline.
            return self.not_sent(Spent {
                waiting: passed,
                ..Spent::default()
            });
        }
        let spent = Spent {
            portal: passed,
            ..Spent::default()
        };
        let lost = CallError::from(Unanswered::DeadlinePassed);
        CallOutcome::Sent(Err(lost.into()), spent)
    }

    fn not_sent(&self, spent: Spent) -> CallOutcome {
        self.driver.context.count(&DEADLINE_PASSED);
        CallOutcome::NotSent(DEADLINE_PASSED, spent)
    }
}

const DEADLINE_PASSED: NotAdmitted = NotAdmitted::Rejected(Rejection::DeadlinePassed);

impl Drop for CallHandle {
    fn drop(&mut self) {
        if !self.is_over {
            // First, so that a retry that returns just now is not queued again.
            self.outcome.close();
            drop(self.driver.cancel(self.number));
        }
    }
}
