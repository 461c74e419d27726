//! What can be done about a failed call. Only a call that was definitely not executed is retried.

use std::sync::Arc;

use tokio::time::Instant;

use super::disposition::Disposition;
use crate::dispatch::driver::PortalDriver;
use crate::dispatch::job::{Delivered, Job};
use crate::dispatch::send_error::SendError;
use crate::metrics::RetryCause;
use crate::tenant::{AccessError, Opened};
use bitrix24::{Answer, CallError, ErrorCode, NotSent, Outcome};
use pacing::{BATCH, SchedulingInfo, SentAs, TenantKey};

/// How often a call is retried with another token, at most. The first covers an expired token, the
/// others tokens that were replaced, by this replica or another one, while the call was in flight.
const NEW_TOKENS: u32 = 3;

/// How often a call follows a portal to a new address, at most.
const MOVES: u32 = 1;

/// Recovers the calls of one request. Their common repair is made once.
pub(super) struct Recovery {
    driver: Arc<PortalDriver>,
    opened: Opened,
    sent_as: SentAs,
    /// The batch was rejected, and not its commands.
    is_batch_rejected: bool,
    reopened: Option<Result<Opened, AccessError>>,
}

/// What to change before a retry.
enum Repair {
    RefreshToken,
    /// Use the token that replaced the unknown one.
    NewerToken,
    /// Use the portal's new address.
    NewAddress(Option<String>),
}

impl Recovery {
    pub(super) fn new(
        driver: Arc<PortalDriver>,
        opened: Opened,
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
                | CallError::NotSent(_)
                | CallError::Moved { .. }
                | CallError::Unanswered(_) => driver.note_no_batches(&tenant),
            }
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
            reopened: None,
        }
    }

    /// What to do with a call that has this result.
    pub(super) async fn disposition(
        &mut self,
        info: &SchedulingInfo,
        job: &mut Job,
        result: Result<Answer, CallError>,
    ) -> Disposition {
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
        let is_batch = self.sent_as == SentAs::Batch;
        match &error {
            CallError::NotSent(NotSent::Unreachable) => {
                let wait = self.driver.retry_wait(job.tries.unreachable);
                let moment = wait.map(|wait| Instant::now().into_std() + wait);
                if let Some(moment) = moment.filter(|moment| *moment < info.deadline) {
                    job.tries.unreachable += 1;
                    job.tries.last = Some(error);
                    return self.retry(RetryCause::Unreachable, Some(moment));
                }
            }
            // Another call of the batch had an earlier deadline.
            CallError::NotSent(NotSent::DeadlinePassed)
                if info.deadline > Instant::now().into_std() =>
            {
                return self.retry(RetryCause::BatchRefused, None);
            }
            CallError::Refused(refusal) if refusal.is(ErrorCode::QueryLimitExceeded) => {
                if self.driver.rejected_retry(info.deadline).is_some() {
                    job.tries.last = Some(error);
                    return self.retry(RetryCause::RateLimited, None);
                }
                return finish(SendError::later(error, self.driver.backoff()));
            }
            CallError::Refused(refusal) if refusal.is(ErrorCode::OperationTimeLimit) => {
                let wait = self.driver.operating_rejected(&info.tenant, info.method);
                return finish(SendError::later(error, wait));
            }
            CallError::Refused(refusal)
                if is_batch && refusal.is(ErrorCode::ErrorBatchMethodNotAllowed) =>
            {
                self.driver.note_never_batched(job.method);
                job.command = None;
                return self.retry(RetryCause::BatchRefused, None);
            }
            CallError::Refused(refusal)
                if is_batch && refusal.is(ErrorCode::ErrorBatchLengthExceeded) =>
            {
                job.command = None;
                return self.retry(RetryCause::BatchRefused, None);
            }
            CallError::Refused(refusal) if refusal.is(ErrorCode::ExpiredToken) => {
                return self.repaired(info, job, error, Repair::RefreshToken).await;
            }
            CallError::Refused(refusal) if refusal.is(ErrorCode::InvalidToken) => {
                return self.repaired(info, job, error, Repair::NewerToken).await;
            }
            CallError::Moved { new_address } => {
                let repair = Repair::NewAddress(new_address.clone());
                return self.repaired(info, job, error, repair).await;
            }
            CallError::NotSent(_)
            | CallError::NoPortal { .. }
            | CallError::Refused(_)
            | CallError::Unanswered(_) => {}
        }
        finish(error)
    }

    fn delivered(&self, info: &SchedulingInfo, job: &Job, answer: Answer) -> Disposition {
        self.driver
            .note_operating_time(&info.tenant, job.method, self.sent_as, &answer);
        Disposition::Finish(Box::new(Ok(Delivered {
            answer,
            is_replayed: false,
        })))
    }

    fn retry(&self, cause: RetryCause, not_before: Option<std::time::Instant>) -> Disposition {
        self.driver.context.metrics.call_retried(cause);
        Disposition::Retry(not_before)
    }

    /// Retries a call with another token or address.
    async fn repaired(
        &mut self,
        info: &SchedulingInfo,
        job: &mut Job,
        error: CallError,
        repair: Repair,
    ) -> Disposition {
        let moves = matches!(repair, Repair::NewAddress(_));
        let (tried, limit) = if moves {
            (&mut job.tries.moves, MOVES)
        } else {
            (&mut job.tries.new_tokens, NEW_TOKENS)
        };
        if *tried >= limit {
            return finish(error);
        }
        *tried += 1;
        if self.reopened.is_none() {
            let deadline = Instant::from_std(info.deadline);
            self.reopened = Some(self.reopen(repair, deadline).await);
        }
        match self.reopened.clone() {
            Some(Ok(opened)) => {
                job.opened = opened;
                if moves {
                    self.driver.context.metrics.call_retried(RetryCause::Moved);
                    Disposition::Reroute
                } else {
                    self.retry(RetryCause::NewToken, None)
                }
            }
            // The portal's own response says more.
            None | Some(Err(AccessError::NotRefreshable)) => finish(error),
            Some(Err(access)) => finish(access),
        }
    }

    async fn reopen(&self, repair: Repair, deadline: Instant) -> Result<Opened, AccessError> {
        let access = &self.driver.context.access;
        match repair {
            Repair::RefreshToken => access.reopen(&self.opened, deadline).await,
            Repair::NewerToken => {
                let newer = access.newer(&self.opened, deadline).await;
                newer.ok_or(AccessError::NotRefreshable)
            }
            Repair::NewAddress(address) => {
                let address = address.as_deref();
                access.follow(&self.opened, address, deadline).await
            }
        }
    }
}

fn finish(error: impl Into<SendError>) -> Disposition {
    Disposition::Finish(Box::new(Err(error.into())))
}
