//! What can be done about a failed call. Only a call that was definitely not executed is retried.

use std::sync::Arc;

use tokio::time::Instant;

use super::disposition::Disposition;
use super::repair::Repair;
use crate::dispatch::blocks;
use crate::dispatch::driver::PortalDriver;
use crate::dispatch::job::{Delivered, Job};
use crate::dispatch::send_error::SendError;
use crate::metrics::RetryCause;
use crate::tenant::Opened;
use bitrix24::{Answer, CallError, ErrorCode, NotSent, Outcome, Refusal};
use pacing::{BATCH, SchedulingInfo, SentAs, TenantKey};

/// How often a call is retried with another token, at most. The first covers an expired token, the
/// others tokens that were replaced, by this replica or another one, while the call was in flight.
const NEW_TOKENS: u32 = 3;

/// How often a call is sent again at once because the server did not process it, at most. Further
/// retries wait, as after a portal that could not be reached.
const NEW_CONNECTIONS: u32 = 5;

/// How often a call follows a portal to a new address, at most.
const MOVES: u32 = 1;

/// Recovers the calls of one request.
pub(super) struct Recovery<'a> {
    driver: &'a Arc<PortalDriver>,
    opened: &'a Opened,
    sent_as: SentAs,
    /// The batch was rejected, and not its commands.
    is_batch_rejected: bool,
}

/// What to do with a call.
pub(super) enum Judgement {
    Decided(Disposition),
    /// It was definitely not executed, with this error: retry after a repair.
    Repair(Repair, CallError),
}

impl<'a> Recovery<'a> {
    pub(super) fn new(
        driver: &'a Arc<PortalDriver>,
        opened: &'a Opened,
        is_batch: bool,
        whole: Option<&CallError>,
    ) -> Self {
        let is_batch_rejected = is_batch && whole.is_some_and(CallError::concerns_the_batch_alone);
        if let (true, Some(error)) = (is_batch_rejected, whole) {
            let tenant = TenantKey::from(opened.tenant().id().as_str());
            match error {
                CallError::Refused(refusal) if refusal.is(ErrorCode::OperationTimeLimit) => {
                    driver.operating_rejected(&tenant, BATCH);
                }
                CallError::Refused(_)
                | CallError::NoPortal { .. }
                | CallError::RefusedInFront(_)
                | CallError::Limited { .. }
                | CallError::NotSent(_)
                | CallError::Moved { .. }
                | CallError::Unanswered(_) => driver.note_no_batches(&tenant),
            }
        }
        if let Some((error, lasts)) = whole.and_then(|error| Some((error, blocks::lasts(error)?))) {
            driver.note_blocked(opened.tenant(), error, lasts);
        }
        Self {
            driver,
            opened,
            sent_as: if is_batch {
                SentAs::Batch
            } else {
                SentAs::Single
            },
            is_batch_rejected,
        }
    }

    /// What to do with a call that has this result.
    pub(super) fn judge(
        &self,
        info: &SchedulingInfo,
        job: &mut Job,
        result: Result<Answer, CallError>,
    ) -> Judgement {
        let error = match result {
            Ok(answer) => return self.delivered(info, job, answer),
            Err(error) => error,
        };
        if error.outcome() != Outcome::NotExecuted {
            return finish(error);
        }
        if self.is_batch_rejected {
            job.command = None;
            return self.retry(RetryCause::BatchRefused, None);
        }
        let now = Instant::now().into_std();
        match &error {
            // Each on a new connection, so the next one is likely to be processed.
            CallError::NotSent(NotSent::Unprocessed) if job.tries.unprocessed < NEW_CONNECTIONS => {
                job.tries.unprocessed += 1;
                job.tries.last = Some(error);
                self.retry(RetryCause::Unprocessed, None)
            }
            CallError::NotSent(NotSent::Unreachable(_) | NotSent::Unprocessed) => {
                let wait = self.driver.retry_wait(job.tries.unreachable);
                match wait.map(|wait| now + wait) {
                    Some(moment) if moment < info.deadline => {
                        job.tries.unreachable += 1;
                        job.tries.last = Some(error);
                        self.retry(RetryCause::Unreachable, Some(moment))
                    }
                    Some(_) | None => finish(error),
                }
            }
            // Another call of the batch had an earlier deadline, or its caller cancelled.
            CallError::NotSent(NotSent::DeadlinePassed) if info.deadline > now => {
                self.retry(RetryCause::BatchRefused, None)
            }
            CallError::Moved { new_address } => {
                let repair = Repair::NewAddress(new_address.clone());
                repaired(&mut job.tries.moves, MOVES, repair, error)
            }
            CallError::Refused(refusal) => match self.refused(refusal, info, job) {
                Some(judgement) => judgement,
                None => finish(error),
            },
            CallError::Limited { .. } => self.rate_limited(error, info, job),
            CallError::NotSent(_)
            | CallError::NoPortal { .. }
            | CallError::RefusedInFront(_)
            | CallError::Unanswered(_) => finish(error),
        }
    }

    /// A call that was refused for the number of requests: again after the backoff, if its deadline
    /// allows.
    fn rate_limited(&self, error: CallError, info: &SchedulingInfo, job: &mut Job) -> Judgement {
        if self.driver.rejected_retry(info.deadline).is_some() {
            job.tries.last = Some(error);
            return self.retry(RetryCause::RateLimited, None);
        }
        let backoff = self.driver.backoff();
        finish(SendError::later(error, backoff))
    }

    /// `None`: the refusal is the call's result.
    fn refused(
        &self,
        refusal: &Refusal,
        info: &SchedulingInfo,
        job: &mut Job,
    ) -> Option<Judgement> {
        let error = || CallError::Refused(refusal.clone());
        let is_batch = self.sent_as == SentAs::Batch;
        if refusal.is_rate_limit() {
            return Some(self.rate_limited(error(), info, job));
        }
        if refusal.is(ErrorCode::OperationTimeLimit) {
            let wait = self.driver.operating_rejected(&info.tenant, info.method);
            let wait = wait.max(refusal.retry_after.unwrap_or_default());
            return Some(finish(SendError::later(error(), wait)));
        }
        if let Some(lasts) = blocks::lasts(&error()) {
            self.driver
                .note_blocked(self.opened.tenant(), &error(), lasts);
            return Some(finish(SendError::later(error(), lasts)));
        }
        if is_batch && refusal.is(ErrorCode::ErrorBatchMethodNotAllowed) {
            self.driver.note_never_batched(job.method);
            job.command = None;
            return Some(self.retry(RetryCause::BatchRefused, None));
        }
        if is_batch && refusal.is(ErrorCode::ErrorBatchLengthExceeded) {
            job.command = None;
            return Some(self.retry(RetryCause::BatchRefused, None));
        }
        let repair = if refusal.is(ErrorCode::ExpiredToken) {
            Repair::RefreshToken
        } else if refusal.is(ErrorCode::InvalidToken) {
            Repair::NewerToken
        } else {
            return None;
        };
        let tries = &mut job.tries.new_tokens;
        Some(repaired(tries, NEW_TOKENS, repair, error()))
    }

    fn delivered(&self, info: &SchedulingInfo, job: &Job, answer: Answer) -> Judgement {
        self.driver
            .note_operating_time(&info.tenant, job.method, self.sent_as, &answer);
        self.driver.note_unblocked(self.opened.tenant());
        Judgement::Decided(Disposition::Finish(Box::new(Ok(Delivered {
            answer,
            is_replayed: false,
        }))))
    }

    fn retry(&self, cause: RetryCause, not_before: Option<std::time::Instant>) -> Judgement {
        self.driver.context.metrics.call_retried(cause);
        Judgement::Decided(Disposition::Retry(not_before))
    }
}

fn finish(error: impl Into<SendError>) -> Judgement {
    Judgement::Decided(Disposition::Finish(Box::new(Err(error.into()))))
}

/// A retry after a repair, unless the call has had too many of them.
fn repaired(tries: &mut u32, limit: u32, repair: Repair, error: CallError) -> Judgement {
    if *tries >= limit {
        return finish(error);
    }
    *tries += 1;
    Judgement::Repair(repair, error)
}
