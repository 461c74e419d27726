//! Waiting for the outcome of a call.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use tokio::runtime;
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::RecvError;
use tokio::time::Instant;

use super::driver::{PortalDriver, Sending};
use super::job::CallOutcome;
use super::not_admitted::NotAdmitted;
use super::send_error::SendError;
use super::sent_flag::SentFlag;
use crate::call::margins::LAST_WORD;
use bitrix24::{CallError, Outcome, Unanswered};
use pacing::{CallNumber, Rejection};

/// Handle to an admitted call. Dropping it cancels the call unless it was already sent.
pub(super) struct CallHandle {
    driver: Arc<PortalDriver>,
    number: CallNumber,
    outcome: oneshot::Receiver<CallOutcome>,
    sent_flag: SentFlag,
    /// The call's own request, if its caller sends it. It goes on as a task when the caller leaves.
    sending: Option<Sending>,
    is_over: bool,
}

impl CallHandle {
    pub(super) fn new(
        driver: Arc<PortalDriver>,
        number: CallNumber,
        outcome: oneshot::Receiver<CallOutcome>,
        sent_flag: SentFlag,
        sending: Option<Sending>,
    ) -> Self {
        Self {
            driver,
            number,
            outcome,
            sent_flag,
            sending,
            is_over: false,
        }
    }

    /// Waits for the outcome, at most until the deadline.
    pub(super) async fn outcome(mut self, deadline: Instant) -> CallOutcome {
        let received = poll_fn(|task| self.poll_received(task));
        let in_time = tokio::time::timeout_at(deadline, received).await;
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

    fn poll_received(&mut self, task: &mut Context<'_>) -> Poll<Result<CallOutcome, RecvError>> {
        if let Some(mut sending) = self.sending.take() {
            // As a task would: a panic ends the request, and the call hears that it is gone.
            let polled = catch_unwind(AssertUnwindSafe(|| sending.poll_unpin(task)));
            if polled.is_ok_and(|polled| polled.is_pending()) {
                self.sending = Some(sending);
            }
        }
        self.outcome.poll_unpin(task)
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
        let received = poll_fn(|task| self.poll_received(task));
        if let Ok(Ok(outcome)) = tokio::time::timeout(LAST_WORD, received).await {
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
        // Without a runtime the process ends.
        if let Some(sending) = self.sending.take()
            && let Ok(runtime) = runtime::Handle::try_current()
        {
            self.driver.context.tasks.spawn_on(sending, &runtime);
        }
    }
}
