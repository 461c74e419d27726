//! How many messages have become what.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::pace::{Pace, Stretch};
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

    /// How far a run is that has this pace, of all lines if their number is known.
    pub(super) fn progress(&self, all: Option<u64>, pace: &Pace) -> String {
        let rest = all.map(|all| {
            let rest = all.saturating_sub(self.done());
            let left = pace.steady().map(|Stretch { took, messages }| {
                left(took, messages, messages.saturating_add(rest))
            });
            format!(" of {}{}", grouped(all), left.unwrap_or_default())
        });
        let rate = pace
            .lately()
            .map(|lately| format!(", {}/s", grouped(lately.within(1))));
        format!(
            "{self}{}{}",
            rest.unwrap_or_default(),
            rate.unwrap_or_default()
        )
    }

    /// What the sums say of lines that a run has not come to an end with, of all lines if their
    /// number is known.
    pub(super) fn not_done(&self, all: Option<u64>) -> String {
        match all.map(|all| all.saturating_sub(self.done())) {
            None | Some(0) => String::new(),
            Some(rest) => format!("; {} not done", grouped(rest)),
        }
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
    use std::time::Duration;

    use super::*;

    #[test]
    fn progress_tells_the_rate_and_the_time_that_is_left() {
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
        let mut pace = Pace::default();
        for second in 0..=40 {
            pace.note(Duration::from_secs(second), 40_000 + second * 250);
        }
        assert_eq!(
            now.progress(Some(100_000), &pace),
            "49,990 sent, 3 failed, 7 unknown, 0 not sent of 100,000, about 4 min left, 250/s"
        );
        assert_eq!(
            now.progress(None, &pace),
            "49,990 sent, 3 failed, 7 unknown, 0 not sent, 250/s"
        );
        assert_eq!(
            now.progress(Some(100_000), &Pace::default()),
            "49,990 sent, 3 failed, 7 unknown, 0 not sent of 100,000"
        );
        assert_eq!(now.not_done(Some(100_000)), "; 50,000 not done");
        assert_eq!(now.not_done(Some(50_000)) + &now.not_done(None), "");
        assert!(!now.is_complete() && before.is_complete());
    }
}
