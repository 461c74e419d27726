//! A call that the server ends in place of its operation.

use super::{Administration, Error};
use crate::call::Progress;
use bitrix24::{CallError, NotSent, Unanswered};

/// Why the server ended a call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Interruption {
    /// It panicked. The panic's hook has logged it.
    Panicked,
    /// Its deadline passed, for example because its request never arrived whole.
    TimedOut,
    /// The drain time is over.
    Terminated,
}

impl Error {
    pub(crate) fn interrupted(why: Interruption, progress: Progress) -> Self {
        match (why, progress) {
            (Interruption::Panicked, _) => Self::Internal {
                outcome: progress.outcome(),
            },
            (Interruption::TimedOut, Progress::Changing) => {
                Administration::ChangeUnknown { timed_out: true }.into()
            }
            (Interruption::TimedOut, Progress::Sent) => {
                CallError::from(Unanswered::DeadlinePassed).into()
            }
            (Interruption::TimedOut, Progress::NotStarted) => {
                CallError::from(NotSent::DeadlinePassed).into()
            }
            (Interruption::Terminated, Progress::Changing) => {
                Administration::ChangeUnknown { timed_out: false }.into()
            }
            (Interruption::Terminated, Progress::Sent) => {
                CallError::from(Unanswered::Abandoned).into()
            }
            (Interruption::Terminated, Progress::NotStarted) => Self::ShuttingDown,
        }
    }
}
