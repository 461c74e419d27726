//! Starts that failed here, and that the database may execute later: behind a lock, or because the
//! network delivers the statement when it can. Such a row says `started` by a process that lives,
//! and other replicas wait for it. So its end is written again.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::unsent::{REMEMBERED, Unsent};
use store::ledger::{End, Id, Outcome, Start};

/// When the end is written again, after the one before. A statement that the database has waits
/// five seconds for locks, and TCP tries to deliver one for about a quarter of an hour. One that
/// was executed may become visible hours later, when the standby that it waits for is back.
const AGAIN: [Duration; 3] = [
    Duration::from_secs(6),
    Duration::from_mins(16),
    Duration::from_hours(4),
];

/// The most ends of one statement.
const AT_ONCE: usize = 256;

/// The latest [`REMEMBERED`] attempts whose start failed, by how often they were ended again.
#[derive(Debug, Default)]
pub(super) struct LateStarts {
    queues: [VecDeque<(Instant, Late)>; AGAIN.len()],
    /// After a failure: until then nothing is written.
    resting: Option<Instant>,
}

#[derive(Clone, Debug)]
pub(super) struct Late {
    id: Id,
    attempt: i64,
    round: usize,
}

impl LateStarts {
    pub(super) fn failed(&mut self, starts: &[Start]) {
        let late = starts.iter().map(|start| Late {
            id: start.id.clone(),
            attempt: start.attempt,
            round: 0,
        });
        self.add(late);
    }

    /// They were ended again.
    pub(super) fn ended(&mut self, ended: Vec<Late>) {
        self.add(ended.into_iter().map(|late| Late {
            round: late.round + 1,
            ..late
        }));
    }

    /// They could not be ended.
    pub(super) fn not_ended(&mut self, late: Vec<Late>) {
        self.resting = Some(Instant::now() + AGAIN[0]);
        self.add(late);
    }

    /// Adds these, each to the queue of its round; those of no further round are done.
    fn add(&mut self, late: impl IntoIterator<Item = Late>) {
        let now = Instant::now();
        for late in late {
            let round = late.round;
            if let (Some(queue), Some(pause)) = (self.queues.get_mut(round), AGAIN.get(round)) {
                queue.push_back((now + *pause, late));
                let surplus = queue.len().saturating_sub(REMEMBERED);
                queue.drain(..surplus);
            }
        }
    }

    fn next(&self) -> Option<Instant> {
        let firsts = self.queues.iter().filter_map(|queue| queue.front());
        let first = firsts.map(|(due, _)| *due).min()?;
        Some(self.resting.map_or(first, |resting| resting.max(first)))
    }

    pub(super) fn is_due(&self) -> bool {
        self.next().is_some_and(|next| next <= Instant::now())
    }

    /// Waits until an end is due; forever if there is none.
    pub(super) async fn due(&self) {
        match self.next() {
            Some(next) => tokio::time::sleep_until(next).await,
            None => std::future::pending().await,
        }
    }

    /// Takes what is due. Only what is certainly over may be ended as not executed.
    pub(super) fn take(&mut self, unsent: &Unsent) -> Vec<Late> {
        let now = Instant::now();
        if self.resting.is_some_and(|resting| resting > now) {
            return Vec::new();
        }
        let mut taken = Vec::new();
        for queue in &mut self.queues {
            while taken.len() < AT_ONCE
                && let Some((due, late)) = queue.pop_front()
            {
                if due > now {
                    queue.push_front((due, late));
                    break;
                }
                if unsent.has(late.attempt) {
                    taken.push(late);
                }
            }
        }
        taken
    }
}

impl Late {
    pub(super) fn end(&self) -> End {
        End {
            id: self.id.clone(),
            attempt: self.attempt,
            outcome: Outcome::NotExecuted,
        }
    }
}

#[cfg(test)]
mod tests {
    use bitrix24::TenantId;
    use uuid::Uuid;

    use super::*;

    fn starts(attempts: std::ops::Range<i64>) -> Vec<Start> {
        let start = |attempt| Start {
            id: Id {
                tenant: TenantId::parse("acme").unwrap(),
                request: Uuid::new_v4(),
            },
            fingerprint: [0; 32],
            attempt,
            replaces: None,
        };
        attempts.map(start).collect()
    }

    fn attempts(taken: &[Late]) -> Vec<i64> {
        taken.iter().map(|late| late.attempt).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn what_failed_is_ended_three_times_more_if_it_is_over() {
        let unsent = Unsent::default();
        let mut late = LateStarts::default();
        late.failed(&starts(1..4));
        for attempt in [1, 3] {
            unsent.note(attempt);
        }
        assert!(late.take(&unsent).is_empty());
        for pause in AGAIN {
            late.due().await;
            assert!(late.is_due());
            let taken = late.take(&unsent);
            assert_eq!(attempts(&taken), [1, 3], "{pause:?}");
            late.ended(taken);
        }
        assert_eq!(late.next(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn of_starts_that_fail_for_hours_the_latest_are_kept() {
        let unsent = Unsent::default();
        let mut late = LateStarts::default();
        let most = i64::try_from(REMEMBERED).unwrap();
        late.failed(&starts(0..most + 1));
        assert_eq!(late.queues[0].len(), REMEMBERED);
        assert!(late.take(&unsent).is_empty());
    }
}
