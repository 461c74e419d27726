//! The operating budget of one method of one tenant.

use std::time::{Duration, Instant};

use super::growth::Growth;

/// What is left unused, so that calls that take longer than those before stay within the limit.
const RESERVE: Duration = Duration::from_secs(5);

/// A first response that tells of more than this part of the limit tells of other calls, too.
const MOST_OF_ONE_CALL: f64 = 50.0;

/// When to retry while the first call after a reset is in flight.
pub(super) const WHILE_PROBING: Duration = Duration::from_secs(1);

/// When to retry after the replicas exchanged what they used; they do so every second.
pub(super) const WHILE_REPORTING: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MethodBudget {
    pub(super) singly: Option<Usage>,
    pub(super) in_batches: Option<Usage>,
    /// The newest report of another replica.
    pub(super) by_others: Option<Usage>,
    /// The newest report of this replica that the others have.
    pub(super) reported: Option<Usage>,
    /// Calls without a response yet.
    pub(super) in_flight: u32,
    /// Whether a call was answered.
    pub(super) is_answered: bool,
    /// When the first of the calls in flight was sent.
    pub(super) first_sent: Option<Instant>,
    /// Seconds that a call takes, as the responses say.
    pub(super) cost: f64,
    pub(super) growth: Growth,
    pub(super) blocked_until: Option<Instant>,
}

/// Operating time used, until a reset.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Usage {
    pub(crate) seconds: f64,
    pub(crate) resets: Instant,
}

impl MethodBudget {
    /// Whether the portal has blocked the method. The error is how much longer.
    pub(super) fn check_blocked(&self, now: Instant) -> Result<(), Duration> {
        match self.blocked_until {
            Some(until) if until > now => Err(until - now),
            Some(_) | None => Ok(()),
        }
    }

    pub(super) fn check(&self, limit: Duration, living: u32, now: Instant) -> Result<(), Duration> {
        let allowed = limit.saturating_sub(RESERVE.min(limit / 10)).as_secs_f64();
        let cost = self
            .cost
            .max(self.growth.of_one_call)
            .max(self.of_first(limit));
        let expected = cost * f64::from(self.in_flight + 1);
        let until_reset = || self.newest_reset(now).unwrap_or(WHILE_PROBING);
        if let Some(used) = self.used(now) {
            if used + expected > allowed {
                return Err(until_reset());
            }
            if living > 1 {
                // Other replicas use the rest too, and report it later.
                let agreed = self.agreed(now);
                let share = (allowed - agreed) / f64::from(living);
                if cost > share {
                    return Err(until_reset());
                }
                if used - agreed + expected > share {
                    return Err(WHILE_REPORTING);
                }
            }
        } else if self.last_known() + expected > allowed && self.in_flight > 0 {
            // A minute of it has expired; the first response will say how much that was.
            return Err(WHILE_PROBING);
        }
        Ok(())
    }

    /// Seconds that a call takes if the first response told of that call only. Zero once the growth
    /// is known, or if it was too much for one call.
    fn of_first(&self, limit: Duration) -> f64 {
        let used = self.own_last().filter(|_| self.growth.is_first());
        let most = limit.as_secs_f64() / MOST_OF_ONE_CALL;
        used.filter(|used| *used <= most).unwrap_or_default()
    }

    /// Seconds that are used, if known.
    pub(super) fn used(&self, now: Instant) -> Option<f64> {
        highest(self.known(), now).map(|usage| usage.seconds)
    }

    /// What all replicas know to be used.
    fn agreed(&self, now: Instant) -> f64 {
        highest([self.by_others, self.reported], now).map_or(0.0, |usage| usage.seconds)
    }

    /// What the portal's responses to this replica said.
    pub(super) fn own(&self, now: Instant) -> Option<Usage> {
        highest([self.singly, self.in_batches], now)
    }

    fn own_last(&self) -> Option<f64> {
        let known = [self.singly, self.in_batches].into_iter().flatten();
        known.map(|usage| usage.seconds).reduce(f64::max)
    }

    fn last_known(&self) -> f64 {
        let known = self.known().into_iter().flatten();
        known.map(|usage| usage.seconds).fold(0.0, f64::max)
    }

    pub(super) fn newest_reset(&self, now: Instant) -> Option<Duration> {
        let known = self.known().into_iter().flatten();
        let newest = known.map(|usage| usage.resets).max()?;
        let wait = newest.checked_duration_since(now);
        wait.filter(|wait| !wait.is_zero())
    }

    fn known(&self) -> [Option<Usage>; 3] {
        [self.singly, self.in_batches, self.by_others]
    }
}

fn highest<const N: usize>(known: [Option<Usage>; N], now: Instant) -> Option<Usage> {
    let current = known.into_iter().flatten();
    let current = current.filter(|usage| usage.resets > now);
    current.reduce(|one, other| {
        if other.seconds > one.seconds {
            other
        } else {
            one
        }
    })
}
