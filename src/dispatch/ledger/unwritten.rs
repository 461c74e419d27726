//! Outcomes whose write failed: kept in memory and retried.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::ending::{BYTES, Ending};
use super::unsent::REMEMBERED;
use store::StoreError;

/// The most outcomes that one transaction retries.
const RETRIED: usize = 64;

/// How long to wait after a failed write.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Unwritten {
    /// Of calls that were sent: none is dropped.
    sent: VecDeque<Ending>,
    /// Of calls that were not executed, the latest [`REMEMBERED`]. Every start that fails adds one.
    not_executed: VecDeque<Ending>,
    /// Whether those are retried first the next time.
    is_their_turn: bool,
    /// How many to retry in a transaction: one after a failure, so that one that always fails does
    /// not block the others.
    at_once: usize,
    /// When to retry.
    next: Instant,
}

impl Unwritten {
    pub(super) fn new() -> Self {
        Self {
            sent: VecDeque::new(),
            not_executed: VecDeque::new(),
            is_their_turn: false,
            at_once: RETRIED,
            next: Instant::now(),
        }
    }

    fn is_empty(&self) -> bool {
        self.sent.is_empty() && self.not_executed.is_empty()
    }

    pub(super) fn is_due(&self) -> bool {
        !self.is_empty() && self.next <= Instant::now()
    }

    /// Waits until a retry is due; forever if there is nothing to retry.
    pub(super) async fn due(&self) {
        if self.is_empty() {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep_until(self.next).await;
    }

    pub(super) fn take(&mut self) -> Vec<Ending> {
        let queues = [&mut self.sent, &mut self.not_executed];
        let mut queues = queues.into_iter().collect::<Vec<_>>();
        if self.is_their_turn {
            queues.reverse();
        }
        self.is_their_turn = !self.is_their_turn;
        let (mut taken, mut bytes) = (Vec::new(), 0);
        for queue in queues {
            while taken.len() < self.at_once
                && bytes < BYTES
                && let Some(ending) = queue.pop_front()
            {
                bytes += ending.bytes();
                taken.push(ending);
            }
        }
        taken
    }

    /// Appends, so that each gets its turn.
    pub(super) fn add(&mut self, endings: Vec<Ending>, error: &StoreError) {
        if endings.is_empty() {
            return;
        }
        if self.is_empty() {
            let cause = std::error::Error::source(error).map(ToString::to_string);
            tracing::warn!(
                %error,
                cause,
                "ledger cannot be written; outcomes are kept in memory and retried"
            );
        }
        for ending in endings {
            if ending.is_not_executed() {
                self.not_executed.push_back(ending);
            } else {
                self.sent.push_back(ending);
            }
        }
        let surplus = self.not_executed.len().saturating_sub(REMEMBERED);
        self.not_executed.drain(..surplus);
        self.at_once = 1;
        self.next = Instant::now() + PAUSE;
    }

    pub(super) fn are_written(&mut self, count: usize) {
        self.at_once = (self.at_once * 2).min(RETRIED);
        self.next = Instant::now();
        if self.is_empty() {
            tracing::info!(count, "ledger can be written again");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bitrix24::TenantId;
    use store::ledger::{End, Id, Outcome};
    use uuid::Uuid;

    use super::super::backlog::Backlog;
    use super::*;
    use crate::metrics::Metrics;

    fn endings(attempts: std::ops::Range<i64>, outcome: &Outcome) -> Vec<Ending> {
        let backlog = Arc::new(Backlog::new(Metrics::new().unwrap()));
        let tenant = TenantId::parse("acme").unwrap();
        let ending = |attempt| {
            let end = End {
                id: Id {
                    tenant: tenant.clone(),
                    request: Uuid::new_v4(),
                },
                attempt,
                outcome: outcome.clone(),
            };
            Ending::of(end, &backlog)
        };
        attempts.map(ending).collect()
    }

    fn failed() -> StoreError {
        StoreError::Corrupt("a row".to_owned())
    }

    fn attempts(taken: &[Ending]) -> Vec<i64> {
        taken.iter().map(|ending| ending.end.attempt).collect()
    }

    #[test]
    fn of_starts_that_fail_for_hours_the_latest_are_kept() {
        let mut unwritten = Unwritten::new();
        unwritten.add(endings(0..1, &Outcome::Unknown), &failed());
        let most = i64::try_from(REMEMBERED).unwrap();
        let not_executed = endings(1..most + 11, &Outcome::NotExecuted);
        unwritten.add(not_executed, &failed());
        assert_eq!(unwritten.not_executed.len(), REMEMBERED);
        assert_eq!(unwritten.not_executed[0].end.attempt, 11);
        assert_eq!(unwritten.sent.len(), 1);
    }

    #[test]
    fn after_a_failure_both_kinds_are_retried_in_turns() {
        let mut unwritten = Unwritten::new();
        unwritten.add(endings(0..2, &Outcome::Unknown), &failed());
        unwritten.add(endings(10..12, &Outcome::NotExecuted), &failed());
        let taken = (0..5).map(|_| attempts(&unwritten.take()));
        let taken: Vec<_> = taken.collect();
        assert_eq!(taken, [vec![0], vec![10], vec![1], vec![11], vec![]]);
    }

    #[test]
    fn large_answers_are_retried_one_by_one() {
        let mut unwritten = Unwritten::new();
        let large = Outcome::Answered("a".repeat(BYTES));
        unwritten.add(endings(0..2, &large), &failed());
        unwritten.are_written(0);
        assert_eq!(attempts(&unwritten.take()), [0]);
        assert_eq!(attempts(&unwritten.take()), [1]);
    }
}
