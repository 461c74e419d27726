//! What one request carries.

use super::job::{Job, ScheduledJob};
use super::sent_flag::SentFlag;
use bitrix24::Command;
use pacing::{BATCH, SchedulingInfo};

/// The calls of a request in their order of execution, in the form in which they are sent.
#[derive(Debug)]
pub(super) enum Cargo {
    /// One call, as a request of its own.
    Single(ScheduledJob),
    /// Calls as commands of a batch.
    Batch(Vec<Batched>),
}

/// A call of a batch with its command.
#[derive(Debug)]
pub(super) struct Batched {
    pub(super) info: SchedulingInfo,
    pub(super) job: Box<Job>,
    pub(super) command: Command,
}

impl Cargo {
    /// Chooses the form for these calls. `None` without calls. Several calls become a batch; those
    /// that have no command, which the portal does not select, are left over.
    pub(super) fn of(calls: Vec<ScheduledJob>) -> Option<(Self, Vec<ScheduledJob>)> {
        let mut left_over = calls;
        if left_over.len() > 1 {
            let calls = std::mem::take(&mut left_over);
            let mut batch = Vec::with_capacity(calls.len());
            for (info, mut job) in calls {
                match job.command.take() {
                    Some(command) => batch.push(Batched { info, job, command }),
                    None => left_over.push((info, job)),
                }
            }
            if !batch.is_empty() {
                return Some((Self::Batch(batch), left_over));
            }
        }
        let last = left_over.pop()?;
        Some((Self::Single(last), left_over))
    }

    /// The method of the request.
    pub(super) fn method(&self) -> &'static str {
        match self {
            Self::Single(call) => call.1.method.name(),
            Self::Batch(_) => BATCH,
        }
    }

    pub(super) fn is_batch(&self) -> bool {
        match self {
            Self::Single(_) => false,
            Self::Batch(_) => true,
        }
    }

    /// The calls, each with what decides its turn.
    pub(super) fn calls(&self) -> impl Iterator<Item = (&SchedulingInfo, &Job)> {
        let (single, batch) = match self {
            Self::Single((info, job)) => (Some((info, &**job)), None),
            Self::Batch(batch) => (None, Some(batch)),
        };
        let batch = batch.into_iter().flatten();
        single
            .into_iter()
            .chain(batch.map(|call| (&call.info, &*call.job)))
    }

    /// The flags of its calls.
    pub(super) fn sent_flags(&self) -> Flags {
        match self {
            Self::Single(call) => Flags::One(call.1.sent_flag.clone()),
            Self::Batch(batch) => {
                let flags = batch.iter().map(|call| call.job.sent_flag.clone());
                Flags::Many(flags.collect())
            }
        }
    }

    /// The calls without their form. The commands stay with them for the next attempt.
    pub(super) fn into_calls(self) -> Vec<ScheduledJob> {
        match self {
            Self::Single(call) => vec![call],
            Self::Batch(batch) => {
                let calls = batch.into_iter().map(|call| {
                    let mut job = call.job;
                    job.command = Some(call.command);
                    (call.info, job)
                });
                calls.collect()
            }
        }
    }
}

/// The flags of the calls of a request.
pub(super) enum Flags {
    One(SentFlag),
    Many(Vec<SentFlag>),
}

impl Flags {
    /// Marks all calls as sent, or none: `false` if one was cancelled.
    pub(super) fn send(&self) -> bool {
        let flags = match self {
            Self::One(flag) => return flag.send(),
            Self::Many(flags) => flags,
        };
        let Some(cancelled) = flags.iter().position(|flag| !flag.send()) else {
            return true;
        };
        for flag in flags.iter().take(cancelled) {
            flag.not_executed();
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::sent_flag::flag;

    #[test]
    fn a_cancelled_call_keeps_its_request_from_being_sent_and_leaves_the_others_as_they_were() {
        let flags: Vec<_> = (0..3).map(|_| flag()).collect();
        assert!(flags[1].0.cancel());
        let all: Vec<_> = flags.iter().map(|(flag, _)| flag.clone()).collect();
        assert!(!Flags::Many(all.clone()).send());
        assert!(flags.iter().all(|(_, noted)| !noted()));
        assert!(Flags::Many(vec![all[0].clone(), all[2].clone()]).send());
    }
}
