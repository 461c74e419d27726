//! Outcomes of a file's ledger that wait for the next start. Nobody waits for them, and most often
//! a start comes soon: then both are one transaction.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::ending::{BYTES, Ended};

/// How long an outcome waits. If the process is killed meanwhile, a repeat is told that it is
/// unknown.
const WAIT: Duration = Duration::from_millis(5);

/// So many calls do not wait.
const MANY: usize = 128;

#[derive(Debug, Default)]
pub(super) struct Held {
    outcomes: Mutex<Outcomes>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Outcomes {
    ended: VecDeque<Ended>,
    calls: usize,
    /// Of their answers.
    bytes: usize,
    /// When they are written, with or without a start.
    due: Option<Instant>,
    is_closed: bool,
}

impl Held {
    /// Gives them back if nothing is written any more.
    pub(super) fn add(&self, ended: Ended) -> Result<(), Ended> {
        let mut outcomes = self.lock();
        if outcomes.is_closed {
            return Err(ended);
        }
        outcomes.calls += ended.endings.len();
        outcomes.bytes += ended.bytes();
        outcomes.ended.push_back(ended);
        let is_full = outcomes.calls >= MANY || outcomes.bytes >= BYTES;
        if outcomes.due.is_some() && !is_full {
            return Ok(());
        }
        let wait = if is_full { Duration::ZERO } else { WAIT };
        outcomes.due = Some(Instant::now() + wait);
        drop(outcomes);
        self.changed.notify_one();
        Ok(())
    }

    /// Takes the oldest, until they are so many calls or bytes.
    pub(super) fn take(&self, calls: usize, bytes: usize) -> Vec<Ended> {
        let mut outcomes = self.lock();
        let (mut taken, mut taken_calls, mut taken_bytes) = (Vec::new(), 0, 0);
        while taken_calls < calls
            && taken_bytes < bytes
            && let Some(ended) = outcomes.ended.pop_front()
        {
            taken_calls += ended.endings.len();
            taken_bytes += ended.bytes();
            taken.push(ended);
        }
        outcomes.calls -= taken_calls;
        outcomes.bytes -= taken_bytes;
        if outcomes.ended.is_empty() {
            outcomes.due = None;
        }
        taken
    }

    /// Waits until some have waited long enough.
    pub(super) async fn due(&self) {
        loop {
            let changed = self.changed.notified();
            let due = self.lock().due;
            match due {
                Some(due) if due <= Instant::now() => return,
                Some(due) => tokio::select! {
                    () = tokio::time::sleep_until(due) => {}
                    () = changed => {}
                },
                None => changed.await,
            }
        }
    }

    /// None is taken from now on.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
    }

    fn lock(&self) -> MutexGuard<'_, Outcomes> {
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bitrix24::TenantId;
    use store::ledger::{End, Id, Outcome};
    use uuid::Uuid;

    use super::super::backlog::Backlog;
    use super::super::ending::Ending;
    use super::*;
    use crate::metrics::Metrics;

    fn ended(outcome: Outcome) -> Ended {
        let id = Id {
            tenant: TenantId::parse("acme").unwrap(),
            request: Uuid::new_v4(),
        };
        let end = End {
            id,
            attempt: 1,
            outcome,
        };
        let backlog = Arc::new(Backlog::new(Metrics::new().unwrap()));
        Ended {
            endings: vec![Ending::of(end, &backlog)],
            done: None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_outcome_that_no_start_takes_along_waits_a_moment() {
        let held = Held::default();
        held.add(ended(Outcome::Unknown)).unwrap();
        let begun = Instant::now();
        tokio::time::sleep(WAIT / 2).await;
        held.add(ended(Outcome::Unknown)).unwrap();
        held.due().await;
        assert!(begun.elapsed() >= WAIT && begun.elapsed() < WAIT * 2);
        assert_eq!(held.take(9, BYTES).len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn when_a_start_has_taken_them_along_none_is_due() {
        let held = Held::default();
        held.add(ended(Outcome::Unknown)).unwrap();
        assert_eq!(held.take(9, BYTES).len(), 1);
        let due = tokio::time::timeout(WAIT * 9, held.due());
        assert!(due.await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn many_outcomes_or_a_large_one_do_not_wait() {
        let large = Outcome::Answered("a".repeat(BYTES));
        for (outcome, count) in [(Outcome::Unknown, MANY), (large, 1)] {
            let held = Held::default();
            for _ in 0..count {
                held.add(ended(outcome.clone())).unwrap();
            }
            let begun = Instant::now();
            held.due().await;
            assert_eq!(begun.elapsed(), Duration::ZERO);
        }
    }

    #[test]
    fn what_is_too_much_for_a_transaction_stays_for_the_next() {
        let held = Held::default();
        for _ in 0..3 {
            held.add(ended(Outcome::Unknown)).unwrap();
        }
        assert_eq!(held.take(2, BYTES).len(), 2);
        assert_eq!(held.take(2, BYTES).len(), 1);
        let large = Outcome::Answered("a".repeat(BYTES));
        held.add(ended(large)).unwrap();
        held.add(ended(Outcome::Unknown)).unwrap();
        assert_eq!(held.take(9, BYTES).len(), 1);
    }

    #[test]
    fn when_nothing_is_written_any_more_they_are_given_back() {
        let held = Held::default();
        held.close();
        held.add(ended(Outcome::Unknown)).unwrap_err();
    }
}
