//! A request in flight, with one call or with many.
//!
//! It goes on when its callers cancel, because the next calls of its conversations, the budgets and
//! the ledger depend on its outcome.

mod disposition;
mod guard;
mod outcome;
mod recovery;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use self::disposition::Disposition;
use self::guard::Guard;
use self::outcome::{recorded, request_outcome};
use self::recovery::Recovery;
use super::driver::PortalDriver;
use super::job::{Job, ScheduledJob};
use super::ledger::{Recorded, Started};
use super::not_admitted::{LedgerFailure, NotAdmitted};
use crate::telemetry::SPANS;
use crate::tenant::Opened;
use bitrix24::{Answer, CallError, Command, Deadlines, Outcome, SendGuard, Unanswered};
use pacing::{BATCH, Permit, RequestNumber, RequestOutcome, SchedulingInfo};

/// Starts the request of a permit, as a task.
pub(super) fn start(driver: Arc<PortalDriver>, permit: Permit<Job>, bucket_fill: Option<f64>) {
    let tasks = driver.context.tasks.clone();
    tasks.spawn(run(driver, permit, bucket_fill));
}

/// Sends the request, and returns the outcome to its callers.
async fn run(driver: Arc<PortalDriver>, permit: Permit<Job>, bucket_fill: Option<f64>) {
    let (number, calls) = permit.into_parts();
    let calls = calls.into_iter().map(|call| (call.info, call.job));
    let calls: Vec<ScheduledJob> = calls.collect();
    let mut guard = Guard::new(Arc::clone(&driver), number);
    let mut request = InFlightRequest {
        driver,
        number,
        calls,
    };
    request.measure(bucket_fill);
    // A caller may have cancelled since the permit was issued.
    request.calls.retain(|(_, job)| !job.is_cancelled());
    request.start_in_ledger().await;
    let Some(opened) = request.open().await else {
        guard.complete(RequestOutcome::Withdrawn, Duration::ZERO);
        guard.release(Vec::new());
        return;
    };
    let span = request.span();
    let stopped = request.stopped();
    let sending = request.send(&opened, &mut guard).instrument(span.clone());
    let Some((results, whole)) = stopped.run_until_cancelled(sending).await else {
        return;
    };
    request
        .conclude(results, whole, opened, &mut guard)
        .instrument(span)
        .await;
}

struct InFlightRequest {
    driver: Arc<PortalDriver>,
    number: RequestNumber,
    calls: Vec<ScheduledJob>,
}

/// The result of each call, and why the request as a whole failed, if it did.
type Results = (Vec<Result<Answer, CallError>>, Option<CallError>);

impl InFlightRequest {
    fn measure(&mut self, bucket_fill: Option<f64>) {
        let metrics = &self.driver.context.metrics;
        let (now, size) = (Instant::now().into_std(), self.calls.len());
        metrics.request_sent(size, bucket_fill);
        for (info, job) in &mut self.calls {
            let waited = now.saturating_duration_since(info.arrived);
            job.spent.waiting = waited.saturating_sub(job.spent.portal);
            metrics.call_dequeued(info.priority, job.slot.bytes());
            metrics.call_sent(info.priority, job.spent.waiting);
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

    /// Cancelled when the request is to be terminated because the service stops. By then its
    /// callers have their responses. A request with a call in the ledger is never terminated.
    fn stopped(&self) -> CancellationToken {
        let is_recorded = self.calls.iter().any(|(_, job)| job.claim.is_some());
        if is_recorded {
            CancellationToken::new()
        } else {
            self.driver.context.stopped.clone()
        }
    }

    /// Writes to the ledger that its calls are about to be sent. Removes those that may not be.
    async fn start_in_ledger(&mut self) {
        let claims = self.calls.iter();
        let claims: Vec<_> = claims.filter_map(|(_, job)| job.claim.as_ref()).collect();
        if claims.is_empty() {
            return;
        }
        let started = match self.driver.context.ledger.start(&claims).await {
            Ok(started) => started.into_iter().map(Some).collect(),
            Err(error) => {
                let error = crate::telemetry::chain(&error);
                tracing::warn!(error, "ledger cannot be written; calls were not sent");
                vec![None; claims.len()]
            }
        };
        let mut started = started.into_iter();
        let mut kept = Vec::with_capacity(self.calls.len());
        for (info, job) in self.calls.drain(..) {
            if job.claim.is_none() {
                kept.push((info, job));
                continue;
            }
            match started.next().flatten() {
                Some(Started::Go) => kept.push((info, job)),
                Some(Started::Taken) => job.overtaken(),
                None => job.not_sent(LedgerFailure::Unavailable.into()),
            }
        }
        self.calls = kept;
    }

    /// The earliest deadline of its calls.
    fn send_by(&self) -> Option<Instant> {
        let deadlines = self.calls.iter().map(|(info, _)| info.deadline);
        deadlines.min().map(Instant::from_std)
    }

    /// Opens access to the portal. `None`: no call is left to send.
    async fn open(&mut self) -> Option<Opened> {
        let send_by = self.send_by()?;
        let first = self.calls.first()?.1.opened.tenant().clone();
        match self.driver.context.access.open(first, send_by).await {
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
        let deadlines = Deadlines {
            send_by: self.send_by().unwrap_or(now),
            answer_by: now + self.driver.context.options.longest_answer,
        };
        for (_, job) in &self.calls {
            job.note_sent();
        }
        let send_guard = {
            let (driver, number) = (Arc::clone(&self.driver), self.number);
            SendGuard::new(move || driver.sent(number))
        };
        guard.watch(send_guard.clone());
        let client = &self.driver.context.client;
        let (portal, credential) = (opened.portal(), opened.credential());
        let (label, ended): (&'static str, Result<(u16, Vec<_>), CallError>) =
            if let [(_, job)] = self.calls.as_slice() {
                let (method, parameters) = (job.method, &job.parameters);
                let call = client.call(
                    portal,
                    credential,
                    method,
                    parameters,
                    deadlines,
                    &send_guard,
                );
                let answer = call.await;
                let ended = answer.map(|answer| (answer.http_status, vec![Ok(answer)]));
                (method.name(), ended)
            } else {
                let commands = self.calls.iter();
                let commands = commands.filter_map(|(_, job)| job.command.as_ref());
                let commands: Vec<&Command> = commands.collect();
                debug_assert_eq!(commands.len(), self.calls.len(), "only these are batched");
                let batch = client.batch(portal, credential, &commands, deadlines, &send_guard);
                let ended = batch.await;
                let ended = ended.map(|answer| (answer.http_status, answer.results));
                (BATCH, ended)
            };
        let took = now.elapsed();
        guard.complete(request_outcome(ended.as_ref().err()), took);
        for (_, job) in &mut self.calls {
            job.spent.portal += took;
        }
        let (status, kind) = match &ended {
            Ok((http_status, _)) => (Some(*http_status), ""),
            Err(error) => (error.http_status(), error.kind()),
        };
        let metrics = &self.driver.context.metrics;
        metrics.portal_request_ended(label, status, kind, took);
        match ended {
            Ok((_, mut results)) => {
                // One for each call, whatever the portal sent.
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

    /// Decides for each call whether it has ended or is retried, writes that to the ledger, and
    /// returns the results to the callers.
    async fn conclude(
        &mut self,
        results: Vec<Result<Answer, CallError>>,
        whole: Option<CallError>,
        opened: Opened,
        guard: &mut Guard,
    ) {
        let is_batch = self.calls.len() > 1;
        let driver = Arc::clone(&self.driver);
        let mut recovery = Recovery::new(driver, opened, is_batch, whole.as_ref());
        let (mut retries, mut finished) = (Vec::new(), Vec::new());
        for ((info, mut job), result) in self.calls.drain(..).zip(results) {
            if matches!(&result, Err(error) if error.outcome() == Outcome::NotExecuted) {
                job.note_not_executed();
            }
            match recovery.disposition(&info, &mut job, result).await {
                Disposition::Finish(result) => finished.push((job, result)),
                // The caller does not want it any more.
                Disposition::Retry(_) if job.is_cancelled() => {}
                Disposition::Retry(not_before) => {
                    let info = SchedulingInfo {
                        not_before,
                        command_bytes: job.command.as_ref().map(Command::len),
                        ..info
                    };
                    retries.push((info, job));
                }
                Disposition::Reroute => job.moved(),
            }
        }
        // The calls behind it need not wait for the ledger.
        guard.release(retries);
        let records = finished.iter_mut();
        let records =
            records.filter_map(|(job, result)| Some((job.claim.take()?, recorded(result))));
        let records: Vec<(_, Recorded)> = records.collect();
        if !records.is_empty() {
            self.driver.context.ledger.end(records).await;
        }
        for (job, result) in finished {
            job.sent(*result);
        }
    }
}
