//! Log lines about refused events: a flood of events is not a flood of lines.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Lines with one result in a [`PERIOD`].
const LINES: u32 = 20;
const PERIOD: Duration = Duration::from_mins(1);

/// How many lines each result has had.
#[derive(Debug, Default)]
pub(super) struct Lines(Mutex<HashMap<&'static str, Period>>);

#[derive(Debug)]
struct Period {
    begun: Instant,
    lines: u32,
    left_out: u64,
}

impl Lines {
    /// Whether an event with this result has a line, and how many before it had none.
    pub(super) fn next(&self, result: &'static str) -> Option<u64> {
        let mut periods = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let new = || Period {
            begun: now,
            lines: 0,
            left_out: 0,
        };
        let period = periods.entry(result).or_insert_with(new);
        if now.duration_since(period.begun) >= PERIOD {
            (period.begun, period.lines) = (now, 0);
        }
        if period.lines == LINES {
            period.left_out += 1;
            return None;
        }
        period.lines += 1;
        Some(std::mem::take(&mut period.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_result_has_some_lines_a_minute_and_the_next_says_how_many_are_missing() {
        let lines = Lines::default();
        let written = |count: u32| (0..count).filter_map(|_| lines.next("busy")).count();
        assert_eq!(written(1000), 20);
        assert_eq!(lines.next("malformed"), Some(0));
        tokio::time::advance(PERIOD).await;
        assert_eq!(lines.next("busy"), Some(980));
        assert_eq!(lines.next("busy"), Some(0));
    }
}
