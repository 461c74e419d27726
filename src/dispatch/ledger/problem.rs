//! The last failed write of each kind, for readiness.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::telemetry::chain;
use store::StoreError;

/// Of starts and of ends: that one kind is written says nothing of the other.
#[derive(Debug, Default)]
pub(super) struct Problems {
    starts: LastProblem,
    ends: LastProblem,
}

/// What a transaction writes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Kinds {
    pub(super) starts: bool,
    pub(super) ends: bool,
}

#[derive(Debug, Default)]
struct LastProblem(Mutex<Option<(Instant, String)>>);

impl Problems {
    pub(super) fn note(&self, kinds: Kinds, written: Result<(), &StoreError>) {
        if kinds.starts {
            self.starts.note(written);
        }
        if kinds.ends {
            self.ends.note(written);
        }
    }

    pub(super) fn current(&self) -> Option<String> {
        self.starts.current().or_else(|| self.ends.current())
    }
}

impl LastProblem {
    /// How long a failed write tells of the state of the ledger. Outcomes that are left are retried
    /// more often.
    const TELLS: Duration = Duration::from_secs(3);

    fn note(&self, written: Result<(), &StoreError>) {
        let problem = written.err().map(|error| (Instant::now(), chain(error)));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = problem;
    }

    fn current(&self) -> Option<String> {
        let problem = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let problem = problem.as_ref();
        let current = problem.filter(|(at, _)| at.elapsed() < Self::TELLS);
        current.map(|(_, problem)| problem.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn starts_that_are_written_do_not_hide_ends_that_are_not() {
        let (starts, ends) = (true, true);
        let problems = Problems::default();
        let failed = StoreError::Corrupt("an end".to_owned());
        let only_ends = Kinds {
            starts: false,
            ends,
        };
        problems.note(only_ends, Err(&failed));
        let only_starts = Kinds {
            starts,
            ends: false,
        };
        problems.note(only_starts, Ok(()));
        assert!(
            problems
                .current()
                .is_some_and(|problem| problem.contains("an end"))
        );
        problems.note(Kinds { starts, ends }, Ok(()));
        assert_eq!(problems.current(), None);
    }
}
