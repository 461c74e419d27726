//! How often definitely-not-executed calls are retried.

use std::time::Duration;

use rand::RngExt;

/// How often one call is retried because its portal could not be reached.
const ATTEMPTS: u32 = 4;

/// What a response adds to the budget: one retry for ten requests.
const DEPOSIT: f64 = 0.1;

/// Retries that are possible at first, and the most that are saved up.
const SAVED: f64 = 10.0;

/// The wait before the first retry; doubled with each.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// The retries that a portal has left, so that retries do not multiply the load of a portal in
/// trouble.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RetryBudget {
    left: f64,
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self { left: SAVED }
    }
}

impl RetryBudget {
    /// A response arrived.
    pub(crate) fn earn(&mut self) {
        self.left = (self.left + DEPOSIT).min(SAVED);
    }

    /// Whether the calls of a request that the portal rejected over its rate limit are retried.
    /// Requests that are rejected side by side are one rejection.
    pub(crate) fn spend(&mut self) -> bool {
        let is_left = self.left >= 1.0;
        if is_left {
            self.left -= 1.0;
        }
        is_left
    }

    /// How long to wait before the call's next attempt; `None` if it is not retried.
    pub(crate) fn wait(&mut self, attempts_before: u32) -> Option<Duration> {
        if attempts_before >= ATTEMPTS || self.left < 1.0 {
            return None;
        }
        self.left -= 1.0;
        let wait = FIRST_WAIT.saturating_mul(1 << attempts_before);
        Some(wait.mul_f64(rand::rng().random_range(0.5..1.5)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_are_spread() {
        let mut budget = RetryBudget::default();
        for attempt in 0..ATTEMPTS {
            let nominal = FIRST_WAIT * 2_u32.pow(attempt);
            let wait = budget.wait(attempt).unwrap();
            assert!(wait >= nominal / 2 && wait <= nominal * 3 / 2);
        }
        assert_eq!(budget.wait(ATTEMPTS), None);
    }

    #[test]
    fn a_portal_in_trouble_gets_one_retry_for_ten_responses() {
        let mut budget = RetryBudget::default();
        let at_first = (0..100).filter(|_| budget.wait(0).is_some()).count();
        assert_eq!(at_first, 10);
        (0..31).for_each(|_| budget.earn());
        let then = (0..100).filter(|_| budget.wait(0).is_some()).count();
        assert_eq!(then, 3);
    }
}
