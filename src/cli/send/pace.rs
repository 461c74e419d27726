//! How fast a run is, lately: a portal takes many requests at once and then a few a second, so the
//! average of a run says nothing of what is to come.

use std::collections::VecDeque;
use std::time::Duration;

/// How far back is looked.
const WINDOW: Duration = Duration::from_secs(30);

/// The shortest time over which a rate can be told steady.
const ENOUGH: Duration = Duration::from_secs(20);

/// The time between two looks that are kept.
const STEP: Duration = Duration::from_secs(1);

/// When so much time had passed, so many were done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Look {
    passed: Duration,
    done: u64,
}

/// A number of messages, and the time that they took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) took: Duration,
    pub(super) messages: u64,
}

/// The pace of a run over the last half minute.
#[derive(Debug, Default)]
pub(super) struct Pace(VecDeque<Look>);

impl Pace {
    /// So many are done when so much time has passed.
    pub(super) fn note(&mut self, passed: Duration, done: u64) {
        if (self.0.back()).is_some_and(|last| passed < last.passed + STEP) {
            return;
        }
        self.0.push_back(Look { passed, done });
        let is_old = |look: &Look| look.passed + WINDOW <= passed;
        while self.0.get(1).is_some_and(is_old) {
            self.0.pop_front();
        }
    }

    /// The last half minute, or what there is of it.
    pub(super) fn lately(&self) -> Option<Stretch> {
        self.0.front()?.until(self.0.back()?)
    }

    /// What the rest can be judged by: the newer half, if the older one was as fast, give or take a
    /// quarter. While a burst is in it, or a pause, there is none.
    pub(super) fn steady(&self) -> Option<Stretch> {
        let (first, last) = (self.0.front()?, self.0.back()?);
        let whole = first.until(last)?;
        if whole.took < ENOUGH {
            return None;
        }
        let half = first.passed + whole.took / 2;
        let middle = self.0.iter().find(|look| look.passed >= half)?;
        let (older, newer) = (first.until(middle)?, middle.until(last)?);
        let (older_rate, newer_rate) = (older.per_hour(), newer.per_hour());
        let is_alike = older_rate.abs_diff(newer_rate) <= newer_rate / 4;
        (newer.messages > 0 && is_alike).then_some(newer)
    }
}

impl Look {
    fn until(self, later: &Self) -> Option<Stretch> {
        let took = later.passed.saturating_sub(self.passed);
        (!took.is_zero()).then(|| Stretch {
            took,
            messages: later.done.saturating_sub(self.done),
        })
    }
}

impl Stretch {
    /// Messages in so many seconds at this pace.
    pub(super) fn within(self, seconds: u64) -> u64 {
        let milliseconds = u64::try_from(self.took.as_millis())
            .unwrap_or(u64::MAX)
            .max(1);
        let messages = self.messages.saturating_mul(1_000);
        messages.saturating_mul(seconds) / milliseconds
    }

    /// Fine enough to compare slow ones.
    fn per_hour(self) -> u64 {
        self.within(3_600)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks ten times a second for so many seconds.
    fn after(seconds: u64, done: impl Fn(u64) -> u64) -> Pace {
        let mut pace = Pace::default();
        for tenth in 0..=seconds * 10 {
            let passed = Duration::from_millis(tenth * 100);
            pace.note(passed, done(tenth * 100));
        }
        pace
    }

    /// A portal that takes 12,500 messages in 8 seconds, and then 250 a second.
    fn enterprise(milliseconds: u64) -> u64 {
        let at_once = milliseconds.min(8_000) * 12_500 / 8_000;
        at_once + milliseconds.saturating_sub(8_000) / 200 * 50
    }

    fn steady_rate(pace: &Pace) -> Option<u64> {
        pace.steady().map(|stretch| stretch.within(1))
    }

    #[test]
    fn what_a_portal_takes_at_once_makes_no_estimate() {
        for seconds in 0..=36 {
            assert_eq!(steady_rate(&after(seconds, enterprise)), None, "{seconds}");
        }
        for seconds in 38..=120 {
            assert_eq!(
                steady_rate(&after(seconds, enterprise)),
                Some(250),
                "{seconds}"
            );
        }
    }

    #[test]
    fn a_run_that_is_as_fast_from_the_begin_has_an_estimate_after_some_time() {
        let slow = |milliseconds: u64| milliseconds / 500;
        assert_eq!(steady_rate(&after(19, slow)), None);
        assert_eq!(steady_rate(&after(20, slow)), Some(2));
    }

    #[test]
    fn a_run_that_stands_still_or_has_just_gone_on_has_none() {
        let paused = |milliseconds: u64| milliseconds.clamp(0, 40_000) / 4;
        assert_eq!(steady_rate(&after(40, paused)), Some(250));
        assert_eq!(steady_rate(&after(50, paused)), None);
        assert_eq!(steady_rate(&after(90, paused)), None);
    }

    #[test]
    fn the_rate_is_that_of_the_last_half_minute() {
        let rate = |seconds| after(seconds, enterprise).lately().unwrap().within(1);
        assert_eq!(rate(8), 1_562);
        assert_eq!(rate(60), 250);
        assert!(Pace::default().lately().is_none());
        assert!(after(0, enterprise).lately().is_none());
    }

    #[test]
    fn what_is_remembered_does_not_grow() {
        assert!(after(600, enterprise).0.len() <= 32);
    }
}
