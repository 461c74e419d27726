//! What can be done about a call that has no good answer. Only what was certainly not executed is sent again.

use std::sync::Arc;

use tokio::time::Instant;

use super::verdict::Verdict;
use crate::dispatch::job::{Delivered, Job};
use crate::dispatch::operating::{BATCH, Travelled};
use crate::dispatch::place::Place;
use crate::dispatch::queue::Terms;
use crate::dispatch::send_error::SendError;
use crate::metrics::RepeatCause;
use crate::tenant::{AccessError, Opened};
use bitrix24::{Answer, CallError, ErrorCode, NotSent, Outcome};

/// How often a call is sent anew with another token, at most. The first covers a token that has expired, the others those that
/// were replaced, by this replica or another one, while the call was on its way.
const NEW_TOKENS: u32 = 3;

/// How often a call follows a portal to a new address, at most.
const MOVES: u32 = 1;

/// How often a call is sent again because the portal's bucket was full, at most. The pauses between grow.
const RATE_LIMITED: u32 = 3;

/// The remedies for the calls of one request. What helps one of them helps the others: it is done once.
pub(super) struct Remedies {
    place: Arc<Place>,
    opened: Opened,
    travelled: Travelled,
    /// The batch was refused, and not its commands.
    is_batch_refused: bool,
    reopened: Option<Result<Opened, AccessError>>,
}

/// Something to try before a call is sent again.
enum Remedy {
    /// A new token.
    NewToken,
    /// The token that somebody else has put in the place of the unknown one.
    NewerToken,
    /// The portal's new address.
    NewAddress(Option<String>),
}

impl Remedies {
    pub(super) fn new(
        place: Arc<Place>,
        opened: Opened,
        is_batch: bool,
        whole: Option<&CallError>,
    ) -> Self {
        let is_batch_refused = is_batch && whole.is_some_and(CallError::concerns_the_batch_alone);
        if let (true, Some(error)) = (is_batch_refused, whole) {
            match error {
                CallError::Refused(refusal) if refusal.is(ErrorCode::OperationTimeLimit) => {
                    place.operating_refused(opened.tenant().id(), BATCH);
                }
                CallError::Refused(_)
                | CallError::NoPortal { .. }
                | CallError::NotSent(_)
                | CallError::Moved { .. }
                | CallError::Unanswered(_) => place.note_no_batches(opened.tenant().id()),
            }
        }
        Self {
            place,
            opened,
            travelled: if is_batch {
                Travelled::InBatch
            } else {
                Travelled::Singly
            },
            is_batch_refused,
            reopened: None,
        }
    }

    /// What becomes of a call with this result.
    pub(super) async fn verdict(
        &mut self,
        terms: &Terms,
        job: &mut Job,
        result: Result<Answer, CallError>,
    ) -> Verdict {
        let error = match result {
            Ok(answer) => return self.delivered(terms, answer),
            Err(error) => error,
        };
        if error.outcome() != Outcome::NotExecuted {
            return ended(error);
        }
        if self.is_batch_refused {
            job.command = None;
            return self.again(RepeatCause::BatchRefused, None);
        }
        match &error {
            CallError::NotSent(NotSent::Unreachable) => {
                let wait = self.place.repeat_after(job.tries.unreachable);
                let moment = wait.map(|wait| Instant::now() + wait);
                if let Some(moment) = moment.filter(|moment| *moment < terms.deadline) {
                    job.tries.unreachable += 1;
                    job.tries.last = Some(error);
                    return self.again(RepeatCause::Unreachable, Some(moment));
                }
            }
            // Another call of the batch was in a greater hurry.
            CallError::NotSent(NotSent::DeadlinePassed) if terms.deadline > Instant::now() => {
                return self.again(RepeatCause::BatchRefused, None);
            }
            CallError::Refused(refusal) if refusal.is(ErrorCode::QueryLimitExceeded) => {
                if job.tries.rate_limited < RATE_LIMITED {
                    job.tries.rate_limited += 1;
                    job.tries.last = Some(error);
                    return self.again(RepeatCause::RateLimited, None);
                }
                return ended(SendError::later(error, self.place.pause()));
            }
            CallError::Refused(refusal) if refusal.is(ErrorCode::OperationTimeLimit) => {
                let (tenant, method) = (&terms.tenant, terms.method.name());
                let retry_after = self.place.operating_refused(tenant, method);
                return ended(SendError::later(error, retry_after));
            }
            CallError::Refused(refusal)
                if self.travelled == Travelled::InBatch
                    && refusal.is(ErrorCode::ErrorBatchMethodNotAllowed) =>
            {
                self.place.note_never_batched(terms.method);
                job.command = None;
                return self.again(RepeatCause::BatchRefused, None);
            }
            CallError::Refused(refusal)
                if self.travelled == Travelled::InBatch
                    && refusal.is(ErrorCode::ErrorBatchLengthExceeded) =>
            {
                job.command = None;
                return self.again(RepeatCause::BatchRefused, None);
            }
            CallError::Refused(refusal) if refusal.is(ErrorCode::ExpiredToken) => {
                return self.refreshed(terms, job, error, Remedy::NewToken).await;
            }
            CallError::Refused(refusal) if refusal.is(ErrorCode::InvalidToken) => {
                return self.refreshed(terms, job, error, Remedy::NewerToken).await;
            }
            CallError::Moved { new_address } => {
                let remedy = Remedy::NewAddress(new_address.clone());
                return self.refreshed(terms, job, error, remedy).await;
            }
            CallError::NotSent(_)
            | CallError::NoPortal { .. }
            | CallError::Refused(_)
            | CallError::Unanswered(_) => {}
        }
        ended(error)
    }

    fn delivered(&self, terms: &Terms, answer: Answer) -> Verdict {
        let (tenant, method) = (&terms.tenant, terms.method);
        self.place.report(tenant, method, self.travelled, &answer);
        let delivered = Delivered {
            answer,
            is_replayed: false,
        };
        Verdict::Ended(Box::new(Ok(delivered)))
    }

    fn again(&self, cause: RepeatCause, not_before: Option<Instant>) -> Verdict {
        self.place.shared.metrics.call_repeated(cause);
        Verdict::Again(not_before)
    }

    /// Sends a call again with what opens the portal now.
    async fn refreshed(
        &mut self,
        terms: &Terms,
        job: &mut Job,
        error: CallError,
        remedy: Remedy,
    ) -> Verdict {
        let moves = matches!(remedy, Remedy::NewAddress(_));
        let (tried, limit) = if moves {
            (&mut job.tries.moves, MOVES)
        } else {
            (&mut job.tries.new_tokens, NEW_TOKENS)
        };
        if *tried >= limit {
            return ended(error);
        }
        *tried += 1;
        if self.reopened.is_none() {
            self.reopened = Some(self.reopen(remedy, terms.deadline).await);
        }
        match self.reopened.clone() {
            Some(Ok(opened)) => {
                job.opened = opened;
                if moves {
                    self.place.shared.metrics.call_repeated(RepeatCause::Moved);
                    Verdict::Elsewhere
                } else {
                    self.again(RepeatCause::NewToken, None)
                }
            }
            // The portal's own answer says more.
            None | Some(Err(AccessError::NotRefreshable)) => ended(error),
            Some(Err(access)) => ended(access),
        }
    }

    async fn reopen(&self, remedy: Remedy, deadline: Instant) -> Result<Opened, AccessError> {
        let access = &self.place.shared.access;
        match remedy {
            Remedy::NewToken => access.reopen(&self.opened, deadline).await,
            Remedy::NewerToken => {
                let newer = access.newer(&self.opened, deadline).await;
                newer.ok_or(AccessError::NotRefreshable)
            }
            Remedy::NewAddress(address) => {
                access
                    .follow(&self.opened, address.as_deref(), deadline)
                    .await
            }
        }
    }
}

fn ended(error: impl Into<SendError>) -> Verdict {
    Verdict::Ended(Box::new(Err(error.into())))
}
