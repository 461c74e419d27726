//! How many outcomes are in memory and not in the store yet.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::metrics::Metrics;
use store::ledger::{End, Outcome};

/// From this many on no call starts: the keys and guards of so many are about 64 MiB.
const MOST: usize = 64 * 1024;

/// From this size of answers on no call starts. It is eight of the largest answers, and much more
/// than a database that works leaves for a second.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// The outcomes that are not written. Those of calls that have started are counted beyond the
/// limits: there are at most as many as calls in progress.
#[derive(Debug)]
pub(super) struct Backlog {
    outcomes: AtomicUsize,
    bytes: AtomicUsize,
    metrics: Metrics,
}

/// Counts an outcome until it is dropped.
#[derive(Debug)]
pub(super) struct Counted {
    backlog: Arc<Backlog>,
    bytes: usize,
}

impl Backlog {
    pub(super) fn new(metrics: Metrics) -> Self {
        Self {
            outcomes: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            metrics,
        }
    }

    pub(super) fn count(self: &Arc<Self>, end: &End) -> Counted {
        let bytes = size(end);
        self.outcomes.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.metrics.outcomes_unwritten(1);
        let backlog = Arc::clone(self);
        Counted { backlog, bytes }
    }

    /// Whether no further call may start.
    pub(super) fn is_full(&self) -> bool {
        self.outcomes.load(Ordering::Relaxed) >= MOST
            || self.bytes.load(Ordering::Relaxed) >= MOST_BYTES
    }
}

impl Counted {
    /// Of its answer.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.backlog.outcomes.fetch_sub(1, Ordering::Relaxed);
        self.backlog.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.backlog.metrics.outcomes_unwritten(-1);
    }
}

fn size(end: &End) -> usize {
    match &end.outcome {
        Outcome::Answered(answer) => answer.len(),
        Outcome::Unknown | Outcome::NotExecuted => 0,
    }
}

#[cfg(test)]
mod tests {
    use bitrix24::TenantId;
    use store::ledger::Id;
    use uuid::Uuid;

    use super::*;

    fn end(outcome: Outcome) -> End {
        let tenant = TenantId::parse("acme").unwrap();
        let request = Uuid::new_v4();
        End {
            id: Id { tenant, request },
            attempt: 1,
            outcome,
        }
    }

    fn empty() -> Arc<Backlog> {
        Arc::new(Backlog::new(Metrics::new().unwrap()))
    }

    #[test]
    fn it_is_full_with_many_outcomes_until_one_is_written() {
        let backlog = empty();
        let end = end(Outcome::Unknown);
        let mut counted: Vec<Counted> = (1..MOST).map(|_| backlog.count(&end)).collect();
        assert!(!backlog.is_full());
        counted.push(backlog.count(&end));
        assert!(backlog.is_full());
        counted.pop();
        assert!(!backlog.is_full());
    }

    #[test]
    fn it_is_full_with_large_answers() {
        let backlog = empty();
        let end = end(Outcome::Answered("a".repeat(MOST_BYTES / 2)));
        let _one = backlog.count(&end);
        assert!(!backlog.is_full());
        let other = backlog.count(&end);
        assert!(backlog.is_full());
        drop(other);
        assert!(!backlog.is_full());
    }
}
