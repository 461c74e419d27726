//! How often calls that were certainly not executed are sent again.

use std::time::Duration;

use rand::RngExt;

/// How often one call is sent again because its portal could not be reached.
const ATTEMPTS: u32 = 4;

/// What one answered request adds to the budget: one repeat for ten requests.
const DEPOSIT: f64 = 0.1;

/// Repeats that are possible without a history, and the most that are saved up.
const SAVED: f64 = 10.0;

/// The wait before the first repeat; doubled with each.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// The repeats that a portal has left, so that a portal in trouble does not get many times the load.
#[derive(Clone, Copy, Debug)]
pub(super) struct Repeats {
    left: f64,
}

impl Default for Repeats {
    fn default() -> Self {
        Self { left: SAVED }
    }
}

impl Repeats {
    /// A request was answered.
    pub(super) fn earn(&mut self) {
        self.left = (self.left + DEPOSIT).min(SAVED);
    }

    /// How long to wait before the call's next attempt; `None` if it is not sent again.
    pub(super) fn wait(&mut self, attempts_before: u32) -> Option<Duration> {
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
        let mut repeats = Repeats::default();
        for attempt in 0..ATTEMPTS {
            let nominal = FIRST_WAIT * 2_u32.pow(attempt);
            let wait = repeats.wait(attempt).unwrap();
            assert!(wait >= nominal / 2 && wait <= nominal * 3 / 2);
        }
        assert_eq!(repeats.wait(ATTEMPTS), None);
    }

    #[test]
    fn a_portal_in_trouble_gets_one_repeat_for_ten_answers() {
        let mut repeats = Repeats::default();
        let at_first = (0..100).filter(|_| repeats.wait(0).is_some()).count();
        assert_eq!(at_first, 10);
        (0..31).for_each(|_| repeats.earn());
        let then = (0..100).filter(|_| repeats.wait(0).is_some()).count();
        assert_eq!(then, 3);
    }
}
