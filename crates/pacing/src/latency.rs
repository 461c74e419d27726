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

/// The weight of each measurement in the deviation, as for round trips in RFC 6298.
const OF_DEVIATION: f64 = 0.25;

/// By how many deviations a response may be later than expected, as in RFC 6298.
const DEVIATIONS: f64 = 4.0;

/// By how much a response may be late in any case: timers and networks are no better.
const SMALLEST_MARGIN: Duration = Duration::from_millis(10);

/// The estimated latency of one portal's requests: moving averages.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LatencyEstimate {
    /// A request with one call.
    single: Option<Estimate>,
    /// Each further command of a batch.
    command: Option<Estimate>,
}

/// Seconds: an average, and by how much the measurements differ from it.
#[derive(Clone, Copy, Debug)]
struct Estimate {
    mean: f64,
    deviation: f64,
}

impl LatencyEstimate {
    /// A request with this many calls took this long.
    pub(crate) fn measured(&mut self, calls: usize, took: Duration) {
        let took = took.as_secs_f64();
        if calls <= 1 {
            Estimate::adopt(&mut self.single, took);
        } else {
            let further = f64::from(u32::try_from(calls - 1).unwrap_or(u32::MAX));
            let first = self.single.map_or(0.0, |single| single.mean);
            // Never faster than if the first command had cost nothing extra.
            let each = ((took - first) / further).max(took / (further + 1.0) / 4.0);
            Estimate::adopt(&mut self.command, each);
        }
    }

    /// How long a request with one call takes, if that was measured.
    pub(crate) fn single(&self) -> Option<Duration> {
        let single = self.single?;
        Some(Duration::from_secs_f64(single.mean))
    }

    /// How long a request with this many calls will take.
    pub(crate) fn expected(&self, calls: usize) -> Duration {
        let first = self.single.map_or_else(|| self.command(), |one| one.mean);
        Duration::from_secs_f64(first + self.command() * further(calls))
    }

    /// The same, if any request was measured. Commands are taken to last as long as single calls
    /// until some were measured.
    pub(crate) fn expected_if_measured(&self, calls: usize) -> Option<Duration> {
        self.single.is_some().then(|| self.expected(calls))
    }

    /// How long a request with this many calls takes at least, as far as measured. Calls are not
    /// rejected on a guess.
    pub(crate) fn at_least(&self, calls: usize) -> Duration {
        let mean = |estimate: Option<Estimate>| estimate.map_or(0.0, |known| known.mean);
        let (first, each) = (mean(self.single), mean(self.command));
        Duration::from_secs_f64(first + each * further(calls))
    }

    /// In which time the response to this many calls almost surely arrives; zero for one call if
    /// nothing was measured. A guess counts double: it is one for many calls at once.
    pub(crate) fn within(&self, calls: usize) -> Duration {
        let Some(single) = self.single else {
            let is_batch = calls > 1;
            return self.expected(calls) * 2 * u32::from(is_batch);
        };
        let command = match self.command {
            Some(command) => command.mean + command.deviation * 2.0,
            None => self.command() * 2.0,
        };
        let margin = (single.deviation * DEVIATIONS).max(SMALLEST_MARGIN.as_secs_f64());
        Duration::from_secs_f64(single.mean + margin + command * further(calls))
    }

    /// The largest batch, at most `most`, that stays within [`AIM`].
    pub(crate) fn largest_batch(&self, most: usize) -> usize {
        let mut sizes = (1..=most).rev();
        sizes.find(|size| self.expected(*size) <= AIM).unwrap_or(1)
    }

    fn command(&self) -> f64 {
        let known = self.command.or(self.single);
        known.map_or(UNMEASURED.as_secs_f64(), |known| known.mean)
    }
}

/// The calls of a request beside the first.
fn further(calls: usize) -> f64 {
    f64::from(u32::try_from(calls.saturating_sub(1)).unwrap_or(u32::MAX))
}

impl Estimate {
    fn adopt(known: &mut Option<Self>, measured: f64) {
        *known = Some(match *known {
            None => Self {
                mean: measured,
                deviation: measured / 2.0,
            },
            Some(Self { mean, deviation }) => {
                let weight = if measured > mean { SLOWER } else { FASTER };
                let difference = (measured - mean).abs();
                Self {
                    mean: mean + (measured - mean) * weight,
                    deviation: deviation + (difference - deviation) * OF_DEVIATION,
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_guess_for_commands_counts_double_where_deadlines_are_at_stake() {
        let mut latency = LatencyEstimate::default();
        latency.measured(1, ms(100));
        assert_eq!(latency.expected(11), ms(1100));
        assert_eq!(latency.within(11), ms(100 + 200 + 2000));
    }

    #[test]
    fn responses_that_take_the_same_time_need_little_margin_and_others_more() {
        let (mut steady, mut odd) = (LatencyEstimate::default(), LatencyEstimate::default());
        for request in 0..50 {
            steady.measured(1, ms(70));
            odd.measured(1, ms(if request % 2 == 0 { 40 } else { 100 }));
        }
        assert_eq!(steady.within(1), ms(80));
        assert!(odd.within(1) > ms(150), "{:?}", odd.within(1));
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
