//! One request on its way, with one call or with many. It goes on when its callers leave, so that what became of it is known: the
//! calls behind it in a conversation, the budgets and the ledger depend on that.

mod guard;
mod remedy;
mod verdict;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use self::guard::Guard;
use self::remedy::Remedies;
use self::verdict::Verdict;
use super::job::{Delivered, Job};
use super::ledger::{Recorded, Started};
use super::not_admitted::{LedgerFailure, NotAdmitted};
use super::operating::BATCH;
use super::permit::Permit;
use super::place::Place;
use super::portal::Fate;
use super::queue::Terms;
use super::send_error::SendError;
use crate::telemetry::SPANS;
use crate::tenant::Opened;
use bitrix24::{
    Answer, CallError, Command, Deadlines, ErrorCode, NotSent, Outcome, SendGuard, Unanswered,
};

/// How long an answer is waited for. The cloud cuts a request after 60 seconds (page "limits"); until then nobody knows whether it is still
/// at work, and the next call of the conversation must wait.
const LONGEST_ANSWER: Duration = Duration::from_secs(61);

/// A call with what decides its turn.
type Flying = (Terms, Job);

/// Sends what the permit is for, and tells everybody how it has ended.
pub(super) async fn fly(place: Arc<Place>, permit: Permit<Job>, bucket_fill: Option<f64>) {
    let (calls, conversations) = permit.into_parts();
    let calls: Vec<Flying> = calls
        .into_iter()
        .map(|call| (call.terms, call.job))
        .collect();
    let mut guard = Guard::new(Arc::clone(&place), &calls, conversations);
    let mut flight = Flight { place, calls };
    flight.note_departure(bucket_fill);
    // A caller may have left between the permit and here.
    flight.calls.retain(|(_, job)| !job.is_abandoned());
    flight.start_in_ledger().await;
    let Some(opened) = flight.open().await else {
        guard.landed(Fate::Withdrawn, Duration::ZERO);
        guard.settle(Vec::new());
        return;
    };
    let span = flight.span();
    let stopped = flight.stopped();
    let sending = flight.send(&opened, &mut guard).instrument(span.clone());
    let Some((results, whole)) = stopped.run_until_cancelled(sending).await else {
        return;
    };
    flight
        .conclude(results, whole, opened, &mut guard)
        .instrument(span)
        .await;
}

struct Flight {
    place: Arc<Place>,
    calls: Vec<Flying>,
}

/// What became of each call, and why the request as a whole failed, if it did.
type Results = (Vec<Result<Answer, CallError>>, Option<CallError>);

impl Flight {
    fn note_departure(&mut self, bucket_fill: Option<f64>) {
        let metrics = &self.place.shared.metrics;
        let (now, size) = (Instant::now(), self.calls.len());
        metrics.request_sent(size, bucket_fill);
        for (terms, job) in &mut self.calls {
            let waited = now.saturating_duration_since(terms.arrived);
            job.spent.waiting = waited.saturating_sub(job.spent.portal);
            metrics.wait_ended(terms.priority, job.seat.bytes());
            metrics.call_sent(terms.priority, job.spent.waiting);
            if size > 1 || !job.spent.waiting.is_zero() {
                let wait_us = u64::try_from(job.spent.waiting.as_micros()).unwrap_or(u64::MAX);
                tracing::info!(target: SPANS, parent: &job.span, wait_us, calls = size, "sent");
            }
        }
    }

    /// The span of the request: that of its first call.
    fn span(&self) -> tracing::Span {
        let first = self.calls.first();
        first.map_or_else(tracing::Span::none, |(_, job)| job.span.clone())
    }

    /// When the request is given up because the service stops. Its callers are answered by then; what is in the ledger is waited for.
    fn stopped(&self) -> CancellationToken {
        let is_recorded = self.calls.iter().any(|(_, job)| job.claim.is_some());
        if is_recorded {
            CancellationToken::new()
        } else {
            self.place.shared.stopped.clone()
        }
    }

    /// Writes down which calls are about to be sent. Those that may not be are told so.
    async fn start_in_ledger(&mut self) {
        let claims: Vec<_> = self
            .calls
            .iter()
            .filter_map(|(_, job)| job.claim.as_ref())
            .collect();
        if claims.is_empty() {
            return;
        }
        let started = self.place.shared.ledger.start(&claims).await;
        let mut started = match started {
            Ok(started) => started.into_iter().map(Some).collect(),
            Err(error) => {
                let error = crate::telemetry::chain(&error);
                tracing::warn!(
                    error,
                    "calls cannot be written into the ledger, so they are not sent"
                );
                vec![None; claims.len()]
            }
        }
        .into_iter();
        let mut kept = Vec::with_capacity(self.calls.len());
        for (terms, job) in self.calls.drain(..) {
            if job.claim.is_none() {
                kept.push((terms, job));
                continue;
            }
            match started.next().flatten() {
                Some(Started::Go) => kept.push((terms, job)),
                Some(Started::Taken) => job.overtaken(),
                None => job.not_sent(LedgerFailure::Unavailable.into()),
            }
        }
        self.calls = kept;
    }

    /// Opens the portal. `None`: nothing is left to be sent.
    async fn open(&mut self) -> Option<Opened> {
        let send_by = self.calls.iter().map(|(terms, _)| terms.deadline).min()?;
        let first = self.calls.first()?.1.opened.tenant().clone();
        match self.place.shared.access.open(first, send_by).await {
            Ok(opened) => Some(opened),
            Err(error) => {
                for (_, job) in self.calls.drain(..) {
                    job.not_sent(NotAdmitted::Access(error.clone()));
                }
                None
            }
        }
    }

    async fn send(&mut self, opened: &Opened, guard: &mut Guard) -> Results {
        let now = Instant::now();
        let deadlines = self.calls.iter().map(|(terms, _)| terms.deadline);
        let times = Deadlines {
            send_by: deadlines.min().unwrap_or(now),
            answer_by: now + LONGEST_ANSWER,
        };
        for (_, job) in &self.calls {
            job.leaves();
        }
        let departure = {
            let place = Arc::clone(&self.place);
            SendGuard::new(move || place.departed())
        };
        guard.watch(departure.clone());
        let client = &self.place.shared.client;
        let (portal, credential) = (opened.portal(), opened.credential());
        let (label, ended): (&'static str, Result<(u16, Vec<_>), CallError>) =
            if let [(terms, job)] = self.calls.as_slice() {
                let call = client.call(
                    portal,
                    credential,
                    terms.method,
                    &job.parameters,
                    times,
                    &departure,
                );
                let answer = call.await;
                let ended = answer.map(|answer| (answer.http_status, vec![Ok(answer)]));
                (terms.method.name(), ended)
            } else {
                let commands = self
                    .calls
                    .iter()
                    .filter_map(|(_, job)| job.command.as_ref());
                let commands: Vec<&Command> = commands.collect();
                debug_assert_eq!(commands.len(), self.calls.len(), "only these are batched");
                let batch = client.batch(portal, credential, &commands, times, &departure);
                let answer = batch.await;
                (
                    BATCH,
                    answer.map(|answer| (answer.http_status, answer.results)),
                )
            };
        let took = now.elapsed();
        guard.landed(fate(ended.as_ref().err()), took);
        for (_, job) in &mut self.calls {
            job.spent.portal += took;
        }
        let (status, kind) = match &ended {
            Ok((http_status, _)) => (Some(*http_status), ""),
            Err(error) => (error.http_status(), error.kind()),
        };
        let metrics = &self.place.shared.metrics;
        metrics.portal_request_ended(label, status, kind, took);
        match ended {
            Ok((_, mut results)) => {
                // One for each, whatever the portal has sent.
                results.resize_with(self.calls.len(), || {
                    Err(Unanswered::NoResult { http_status: 200 }.into())
                });
                (results, None)
            }
            Err(error) => {
                let results = self.calls.iter().map(|_| Err(error.clone()));
                (results.collect(), Some(error))
            }
        }
    }

    /// Decides for each call whether it has ended or is sent again, writes that down, and tells the callers.
    async fn conclude(
        &mut self,
        results: Vec<Result<Answer, CallError>>,
        whole: Option<CallError>,
        opened: Opened,
        guard: &mut Guard,
    ) {
        let is_batch = self.calls.len() > 1;
        let mut remedies = Remedies::new(Arc::clone(&self.place), opened, is_batch, whole.as_ref());
        let (mut again, mut ended) = (Vec::new(), Vec::new());
        for ((terms, mut job), result) in self.calls.drain(..).zip(results) {
            if matches!(&result, Err(error) if error.outcome() == Outcome::NotExecuted) {
                job.came_back();
            }
            match remedies.verdict(&terms, &mut job, result).await {
                Verdict::Ended(outcome) => ended.push((job, outcome)),
                // A caller that has left does not want it to be sent.
                Verdict::Again(_) if job.is_abandoned() => {}
                Verdict::Again(not_before) => {
                    let terms = Terms {
                        not_before,
                        command_bytes: job.command.as_ref().map(Command::len),
                        ..terms
                    };
                    again.push((terms, job));
                }
                Verdict::Elsewhere => job.moved(),
            }
        }
        // Those behind need not wait for the ledger.
        guard.settle(again);
        let recorded: Vec<(_, Recorded)> = ended
            .iter_mut()
            .filter_map(|(job, outcome)| Some((job.claim.take()?, recorded(outcome))))
            .collect();
        if !recorded.is_empty() {
            self.place.shared.ledger.end(recorded).await;
        }
        for (job, outcome) in ended {
            job.sent(*outcome);
        }
    }
}

/// What the ledger keeps of the end of a call.
fn recorded(outcome: &Result<Delivered, SendError>) -> Recorded {
    match outcome {
        Ok(delivered) => Recorded::Answered(delivered.answer.clone()),
        // Its idempotency key is as good as new.
        Err(error) if error.outcome() == Outcome::NotExecuted => Recorded::NotExecuted,
        Err(_) => Recorded::Unknown,
    }
}

/// What the end of a request says of its portal.
fn fate(error: Option<&CallError>) -> Fate {
    match error {
        None | Some(CallError::Moved { .. } | CallError::NoPortal { .. }) => Fate::Answered,
        Some(CallError::NotSent(NotSent::Unreachable)) => Fate::Unreachable,
        Some(CallError::NotSent(NotSent::DeadlinePassed | NotSent::AddressForbidden)) => {
            Fate::Withdrawn
        }
        Some(CallError::Refused(refusal)) if refusal.is(ErrorCode::QueryLimitExceeded) => {
            Fate::RateLimited
        }
        Some(CallError::Refused(_)) => Fate::Answered,
        Some(CallError::Unanswered(unanswered)) => match unanswered {
            Unanswered::Oversized { .. } | Unanswered::NoResult { .. } => Fate::Answered,
            Unanswered::DeadlinePassed
            | Unanswered::Abandoned
            | Unanswered::ConnectionLost
            | Unanswered::Empty { .. }
            | Unanswered::CutOff { .. }
            | Unanswered::NotJson { .. }
            | Unanswered::ServerFailed { .. } => Fate::Lost,
        },
    }
}
