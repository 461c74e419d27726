//! How many messages have become what.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cli::progress::{grouped, left};

/// What has become of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// Its messages are delivered.
    Sent,
    /// Refused, or one of its messages was.
    Failed,
    /// Nobody knows whether it was delivered. A later run asks again.
    Unknown,
    /// Certainly not delivered, and worth another run.
    NotSent,
}

/// Lines by what has become of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    sent: u64,
    failed: u64,
    unknown: u64,
    not_sent: u64,
}

impl Totals {
    pub(super) fn count(&mut self, state: State) {
        let count = match state {
            State::Sent => &mut self.sent,
            State::Failed => &mut self.failed,
            State::Unknown => &mut self.unknown,
            State::NotSent => &mut self.not_sent,
        };
        *count += 1;
    }

    /// All that has an answer, or gets none in this run.
    pub(super) fn done(&self) -> u64 {
        self.sent + self.failed + self.unknown + self.not_sent
    }

    /// Whether all messages are sent.
    pub(super) fn is_complete(&self) -> bool {
        self.done() == self.sent
    }

    /// What to do about lines that are not sent.
    pub(super) fn remedy(&self) -> &'static str {
        if self.failed > 0 {
            "run the command again to repeat what is safe; failed lines are skipped then, unless you have corrected them \
             or give --repeat-failed"
        } else {
            "run the command again to repeat what is safe"
        }
    }

    /// How far a run is that began with `before`, of all lines if their number is known.
    pub(super) fn progress(&self, before: &Self, all: Option<u64>, passed: Duration) -> String {
        let now = self.done() - before.done();
        let milliseconds = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX).max(1);
        let rate = now.saturating_mul(1_000) / milliseconds;
        let rest = all.map(|all| {
            let left = left(passed, now, all.saturating_sub(before.done()));
            format!(" of {}{left}", grouped(all))
        });
        format!("{self}{}, {}/s", rest.unwrap_or_default(), grouped(rate))
    }
}

/// What the sums say of lines that were settled before.
pub(super) fn of_earlier_runs(before: &Totals) -> String {
    match before.done() {
        0 => String::new(),
        done => format!("; {} of them by earlier runs", grouped(done)),
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} sent, {} failed, {} unknown, {} not sent",
            grouped(self.sent),
            grouped(self.failed),
            grouped(self.unknown),
            grouped(self.not_sent),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_tells_the_rate_of_this_run_and_the_time_that_is_left() {
        let before = Totals {
            sent: 40_000,
            ..Totals::default()
        };
        let now = Totals {
            sent: 49_990,
            failed: 3,
            unknown: 7,
            not_sent: 0,
        };
        let passed = Duration::from_secs(40);
        assert_eq!(
            now.progress(&before, Some(100_000), passed),
            "49,990 sent, 3 failed, 7 unknown, 0 not sent of 100,000, about 4 min left, 250/s"
        );
        assert_eq!(
            now.progress(&before, None, passed),
            "49,990 sent, 3 failed, 7 unknown, 0 not sent, 250/s"
        );
        assert!(!now.is_complete() && before.is_complete());
    }
}
