//! How long a portal takes, as measured. The size of a batch follows from it.

use std::time::Duration;

/// How long a batch should take at most. The cloud cuts a request at 60 seconds (page "limits");
/// this leaves a margin for commands that take three times as long as those before.
const AIM: Duration = Duration::from_secs(20);

/// The estimate for a command before anything was measured.
const UNMEASURED: Duration = Duration::from_millis(100);

/// The weight of a slower measurement. The estimate must rise faster than it falls.
const SLOWER: f64 = 0.5;
/// The weight of a faster one.
const FASTER: f64 = 0.2;

/// The estimated latency of one portal's requests: moving averages.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LatencyEstimate {
    /// Seconds that a request with one call takes.
    single: Option<f64>,
    /// Seconds that each further command of a batch takes.
    command: Option<f64>,
}

impl LatencyEstimate {
    /// A request with this many calls took this long.
    pub(crate) fn measured(&mut self, calls: usize, took: Duration) {
        let took = took.as_secs_f64();
        if calls <= 1 {
            adopt(&mut self.single, took);
        } else {
            let further = f64::from(u32::try_from(calls - 1).unwrap_or(u32::MAX));
            let first = self.single.unwrap_or(0.0);
            // Never faster than if the first command had cost nothing extra.
            let each = ((took - first) / further).max(took / (further + 1.0) / 4.0);
            adopt(&mut self.command, each);
        }
    }

    /// How long a request with one call takes, if that was measured.
    pub(crate) fn single(&self) -> Option<Duration> {
        self.single.map(Duration::from_secs_f64)
    }

    /// How long a request with this many calls will take.
    pub(crate) fn expected(&self, calls: usize) -> Duration {
        let further = u32::try_from(calls.saturating_sub(1)).unwrap_or(u32::MAX);
        let first = self.single.unwrap_or_else(|| self.command());
        Duration::from_secs_f64(first + self.command() * f64::from(further))
    }

    /// How long a request with this many calls takes at least, as far as measured. Calls are not
    /// rejected on a guess.
    pub(crate) fn at_least(&self, calls: usize) -> Duration {
        let further = u32::try_from(calls.saturating_sub(1)).unwrap_or(u32::MAX);
        let (first, each) = (self.single.unwrap_or(0.0), self.command.unwrap_or(0.0));
        Duration::from_secs_f64(first + each * f64::from(further))
    }

    /// The largest batch, at most `most`, that stays within [`AIM`].
    pub(crate) fn largest_batch(&self, most: usize) -> usize {
        let mut sizes = (1..=most).rev();
        sizes.find(|size| self.expected(*size) <= AIM).unwrap_or(1)
    }

    fn command(&self) -> f64 {
        self.command
            .or(self.single)
            .unwrap_or(UNMEASURED.as_secs_f64())
    }
}

fn adopt(known: &mut Option<f64>, measured: f64) {
    *known = Some(match *known {
        None => measured,
        Some(known) => {
            let weight = if measured > known { SLOWER } else { FASTER };
            known + (measured - known) * weight
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_portal_that_was_not_measured_gets_full_batches() {
        let latency = LatencyEstimate::default();
        assert_eq!(latency.largest_batch(50), 50);
        assert_eq!(latency.expected(50), Duration::from_secs(5));
    }

    #[test]
    fn commands_are_estimated_apart_from_requests() {
        let mut latency = LatencyEstimate::default();
        latency.measured(1, ms(70));
        latency.measured(50, ms(1050));
        assert_eq!(latency.single(), Some(ms(70)));
        assert!((latency.expected(50).as_secs_f64() - 1.05).abs() < 0.001);
        assert!((latency.expected(10).as_secs_f64() - 0.25).abs() < 0.001);
    }

    #[test]
    fn a_slow_portal_gets_small_batches() {
        let mut latency = LatencyEstimate::default();
        latency.measured(1, ms(2000));
        assert_eq!(latency.largest_batch(50), 10);
        latency.measured(1, ms(60_000));
        assert_eq!(latency.largest_batch(50), 1);
    }

    #[test]
    fn the_estimate_rises_faster_than_it_falls() {
        let (mut slower, mut faster) = (LatencyEstimate::default(), LatencyEstimate::default());
        slower.measured(1, ms(100));
        slower.measured(1, ms(1100));
        faster.measured(1, ms(1100));
        faster.measured(1, ms(100));
        assert_eq!(slower.single(), Some(ms(600)));
        assert_eq!(faster.single(), Some(ms(900)));
    }

    #[test]
    fn guesses_limit_the_size_of_batches_and_never_reject_calls() {
        let mut latency = LatencyEstimate::default();
        assert_eq!(latency.at_least(10), Duration::ZERO);
        latency.measured(1, Duration::from_secs(2));
        assert_eq!(latency.at_least(10), Duration::from_secs(2));
        assert_eq!(latency.expected(10), Duration::from_secs(20));
        latency.measured(10, Duration::from_secs(11));
        assert_eq!(latency.at_least(10), Duration::from_secs(11));
    }
}
