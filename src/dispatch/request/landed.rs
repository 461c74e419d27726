//! The last stage: a request that has ended.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::disposition::Disposition;
use super::guard::Guard;
use super::outcome::{recorded, request_outcome};
use super::recovery::{Judgement, Recovery};
use super::repair::Repair;
use crate::dispatch::driver::PortalDriver;
use crate::dispatch::job::{Delivered, Job, ScheduledJob};
use crate::dispatch::ledger::Recorded;
use crate::dispatch::response::Response;
use crate::dispatch::send_error::SendError;
use crate::tenant::Opened;
use bitrix24::{CallError, Outcome, Unanswered};
use pacing::SchedulingInfo;

/// A request with its outcome, whose calls are to be ended or retried.
pub(super) struct Landed {
    pub(super) driver: Arc<PortalDriver>,
    /// The access with which it was sent.
    pub(super) opened: Opened,
    pub(super) is_batch: bool,
    pub(super) calls: Vec<ScheduledJob>,
    /// Calls that had no place in it.
    pub(super) left_over: Vec<ScheduledJob>,
    /// The results of its calls, or why it failed as a whole.
    pub(super) ended: Result<Response, CallError>,
    /// How long it took from its departure.
    pub(super) took: Duration,
    pub(super) guard: Guard,
}

/// The calls of a request that has ended, by what becomes of them.
#[derive(Default)]
struct Judged {
    finished: Vec<(Box<Job>, Result<Delivered, SendError>)>,
    retries: Vec<ScheduledJob>,
    /// They need another token, or the portal's new address.
    broken: Vec<(SchedulingInfo, Box<Job>, CallError)>,
    repair: Option<Repair>,
}

impl Landed {
    /// Decides for each call whether it has ended or is retried, writes that to the ledger, and
    /// returns the results to the callers.
    pub(super) async fn conclude(self) {
        let Self {
            driver,
            opened,
            is_batch,
            calls,
            left_over,
            ended,
            took,
            mut guard,
        } = self;
        let ended = match ended {
            Ok(response) if left_over.is_empty() && are_all_answered(&response, &calls) => {
                driver.note_unblocked(opened.tenant());
                let answers = response.results.into_iter().flatten();
                let answered: Vec<_> = calls.into_iter().zip(answers).collect();
                guard.answered(took, is_batch, &answered);
                let finished = answered.into_iter().map(|((_, job), answer)| {
                    let delivered = Delivered {
                        answer,
                        is_replayed: false,
                    };
                    (job, Ok(delivered))
                });
                finish(&driver, finished.collect());
                return;
            }
            ended => ended,
        };
        let failed = ended.as_ref().err();
        let pause = failed.and_then(CallError::pause);
        guard.complete(request_outcome(failed), took, pause);
        let recovery = Recovery::new(&driver, &opened, is_batch, ended.as_ref().err());
        let mut judged = judge(&recovery, calls, ended);
        judged.retries.extend(left_over);
        let Judged {
            finished,
            mut retries,
            broken,
            repair,
        } = judged;
        let Some(repair) = repair else {
            guard.release(retries);
            finish(&driver, finished);
            return;
        };
        // Its place is free, and the repair may take long.
        driver.pump();
        finish(&driver, finished);
        // Those that are to be repaired wait as long as the last of their callers.
        let latest = broken.iter().map(|(info, ..)| info.deadline).max();
        let latest = latest.map_or_else(Instant::now, Instant::from_std);
        let repaired = repair.run(&driver, &opened, latest).await;
        let mut failed = Vec::new();
        for (info, mut job, error) in broken {
            match repaired.apply_to(&mut job, error) {
                Disposition::Finish(result) => failed.push((job, *result)),
                // The caller does not want it any more.
                Disposition::Retry(_) if job.is_cancelled() => {}
                Disposition::Retry(not_before) => retries.push(again(info, job, not_before)),
                Disposition::Reroute => job.moved(),
            }
        }
        guard.release(retries);
        finish(&driver, failed);
    }
}

/// Whether every call of a request has an answer of its own: the usual case.
fn are_all_answered(response: &Response, calls: &[ScheduledJob]) -> bool {
    response.results.len() == calls.len() && response.results.iter().all(Result::is_ok)
}

fn judge(
    recovery: &Recovery<'_>,
    calls: Vec<ScheduledJob>,
    ended: Result<Response, CallError>,
) -> Judged {
    let (http_status, results, whole) = match ended {
        Ok(response) => (response.http_status, response.results, None),
        Err(error) => (0, Vec::new(), Some(error)),
    };
    let mut results = results.into_iter();
    let mut judged = Judged::default();
    for (info, mut job) in calls {
        // One for each call, whatever the portal sent.
        let result = match &whole {
            Some(error) => Err(error.clone()),
            None => results
                .next()
                .unwrap_or_else(|| Err(Unanswered::NoResult { http_status }.into())),
        };
        if matches!(&result, Err(error) if error.outcome() == Outcome::NotExecuted) {
            job.note_not_executed();
        }
        match recovery.judge(&info, &mut job, result) {
            Judgement::Decided(Disposition::Finish(result)) => judged.finished.push((job, *result)),
            // The caller does not want it any more.
            Judgement::Decided(Disposition::Retry(_)) if job.is_cancelled() => {}
            Judgement::Decided(Disposition::Retry(not_before)) => {
                judged.retries.push(again(info, job, not_before));
            }
            Judgement::Decided(Disposition::Reroute) => job.moved(),
            Judgement::Repair(repair, error) => {
                judged.repair.get_or_insert(repair);
                judged.broken.push((info, job, error));
            }
        }
    }
    judged
}

/// A call for its next attempt.
fn again(
    info: SchedulingInfo,
    job: Box<Job>,
    not_before: Option<std::time::Instant>,
) -> ScheduledJob {
    let info = SchedulingInfo {
        not_before,
        command_bytes: job.command.as_ref().map(bitrix24::Command::len),
        ..info
    };
    (info, job)
}

/// Has the outcomes written to the ledger, and what they say of weekly limits, and returns them to
/// the callers.
fn finish(driver: &PortalDriver, finished: Vec<(Box<Job>, Result<Delivered, SendError>)>) {
    let mut finished = finished;
    if let Some(guard) = &driver.context.weekly_guard {
        for (job, result) in &mut finished {
            if let Some(watched) = job.watched.take() {
                let begun = Instant::now() - job.spent.portal;
                let answer = result.as_ref().map(|delivered| &delivered.answer);
                guard.note(*watched, begun, answer);
            }
        }
    }
    let records = finished.iter_mut();
    let records = records.filter_map(|(job, result)| Some((job.claim.take()?, recorded(result))));
    let records: Vec<(_, Recorded)> = records.collect();
    if !records.is_empty() {
        drop(driver.context.ledger.end(records));
    }
    for (job, result) in finished {
        job.sent(result);
    }
}
