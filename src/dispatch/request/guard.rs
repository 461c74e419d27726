//! Reports the end of a request exactly once, even if sending it panics.

use std::sync::Arc;
use std::time::Duration;

use crate::dispatch::driver::PortalDriver;
use crate::dispatch::job::ScheduledJob;
use bitrix24::{Answer, SendGuard};
use pacing::{RequestNumber, RequestOutcome, SchedulingInfo};

/// What a request occupies until its end: a permit and one of the parallel requests, the operating
/// budget of its calls, and their conversations.
pub(super) struct Guard {
    driver: Arc<PortalDriver>,
    request: RequestNumber,
    send_guard: Option<SendGuard>,
    is_completed: bool,
    is_released: bool,
}

impl Guard {
    pub(super) fn new(driver: Arc<PortalDriver>, request: RequestNumber) -> Self {
        Self {
            driver,
            request,
            send_guard: None,
            is_completed: false,
            is_released: false,
        }
    }

    pub(super) fn request(&self) -> RequestNumber {
        self.request
    }

    /// This call is not sent.
    pub(super) fn left_out(&self, info: &SchedulingInfo) {
        self.driver.left_out(self.request, info);
    }

    /// From now on the request may be sent.
    pub(super) fn watch(&mut self, send_guard: SendGuard) {
        self.send_guard = Some(send_guard);
    }

    /// The request has ended, and its response may ask for a pause.
    pub(super) fn complete(
        &mut self,
        outcome: RequestOutcome,
        took: Duration,
        pause: Option<Duration>,
    ) {
        self.is_completed = true;
        self.driver.completed(self.request, outcome, took, pause);
    }

    /// The request has ended, and each of its calls has an answer. Releases what waits behind it.
    pub(super) fn answered(
        &mut self,
        took: Duration,
        is_batch: bool,
        calls: &[(ScheduledJob, Answer)],
    ) {
        self.is_completed = true;
        self.is_released = true;
        self.driver.answered(self.request, took, is_batch, calls);
    }

    /// The request is not sent.
    pub(super) fn withdraw(&mut self) {
        self.complete(RequestOutcome::Withdrawn, Duration::ZERO, None);
        self.release(Vec::new());
    }

    /// Releases the calls that wait behind this request's, after its retries are queued again.
    pub(super) fn release(&mut self, retries: Vec<ScheduledJob>) {
        self.is_released = true;
        self.driver.release(self.request, retries);
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.is_completed {
            let was_sent = self.send_guard.as_ref().is_some_and(SendGuard::was_sent);
            let outcome = if was_sent {
                RequestOutcome::Lost
            } else {
                RequestOutcome::Withdrawn
            };
            self.complete(outcome, Duration::ZERO, None);
        }
        if !self.is_released {
            self.release(Vec::new());
        }
    }
}
