//! The state of the dependencies.

use std::time::Duration;

use tokio::time::Instant;

use super::Need;

#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) phase: Phase,
    pub(super) entries: Vec<Entry>,
}

/// Where the service is between start and end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    #[default]
    Starting,
    Serving,
    Stopping,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: &'static str,
    pub(super) need: Need,
    /// Why it fails, by its last report.
    pub(super) problem: Option<String>,
    /// Since when it has worked or failed.
    pub(super) since: Instant,
    /// When it last reported.
    pub(super) reported: Option<Instant>,
    /// Whether it counts as failing: its state, without what passes at once.
    pub(super) counts_as_failing: bool,
}

impl Table {
    pub(super) fn is_ready(&self) -> bool {
        let keeps_away = |entry: &Entry| entry.need == Need::Required && entry.counts_as_failing;
        self.phase == Phase::Serving && !self.entries.iter().any(keeps_away)
    }
}

impl Entry {
    pub(super) fn new(name: &'static str, need: Need, now: Instant) -> Self {
        Self {
            name,
            need,
            problem: None,
            since: now,
            reported: None,
            counts_as_failing: false,
        }
    }

    /// Notes a report. A new state counts when it has lasted for `after`. Returns whether it has
    /// begun to count.
    pub(super) fn report(
        &mut self,
        problem: Option<String>,
        after: Duration,
        now: Instant,
    ) -> bool {
        let fails = problem.is_some();
        if fails != self.problem.is_some() {
            self.since = now;
        }
        self.problem = problem;
        self.reported = Some(now);
        let counts = fails != self.counts_as_failing && now.duration_since(self.since) >= after;
        if counts {
            self.counts_as_failing = fails;
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn fails() -> Option<String> {
        Some("away".to_owned())
    }

    #[test]
    fn a_state_counts_when_it_has_lasted() {
        let start = Instant::now();
        let mut entry = Entry::new("store", Need::Required, start);
        let mut at = |second: u32, problem| {
            entry.report(problem, 3 * SECOND, start + second * SECOND);
            entry.counts_as_failing
        };
        let flapping = [
            (0, None, false),
            (1, fails(), false),
            (3, fails(), false),
            // It works for a moment: the time begins anew.
            (4, None, false),
            (5, fails(), false),
            (7, fails(), false),
            (8, fails(), true),
            (9, None, true),
            (11, fails(), true),
            (12, None, true),
            (15, None, false),
        ];
        for (second, problem, expected) in flapping {
            assert_eq!(at(second, problem), expected, "second {second}");
        }
    }

    #[test]
    fn what_is_lost_counts_at_once() {
        let now = Instant::now();
        let mut entry = Entry::new("store", Need::Required, now);
        assert!(entry.report(fails(), Duration::ZERO, now));
        assert!(entry.counts_as_failing);
    }

    #[test]
    fn only_what_is_required_keeps_calls_away() {
        let now = Instant::now();
        let mut table = Table::default();
        for need in [Need::Told, Need::Required] {
            table.entries.push(Entry::new("any", need, now));
        }
        assert!(!table.is_ready(), "not begun");
        table.phase = Phase::Serving;
        assert!(table.is_ready());
        table.entries[0].report(fails(), Duration::ZERO, now);
        assert!(table.is_ready());
        table.entries[1].report(fails(), Duration::ZERO, now);
        assert!(!table.is_ready());
    }
}
