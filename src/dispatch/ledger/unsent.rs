//! The latest attempts of this process that were written down and certainly not executed.
//!
//! A row of this process whose attempt is not in progress is left from one of them, or its outcome
//! was lost by a crash of the database. Only the former may be sent again.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};

/// How many are remembered: the rest counts as unknown.
pub(super) const REMEMBERED: usize = 32 * 1024;

#[derive(Debug, Default)]
pub(super) struct Unsent(Mutex<Attempts>);

#[derive(Debug, Default)]
struct Attempts {
    known: HashSet<i64>,
    oldest_first: VecDeque<i64>,
}

impl Unsent {
    pub(super) fn note(&self, attempt: i64) {
        let mut attempts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if attempts.known.insert(attempt) {
            attempts.oldest_first.push_back(attempt);
        }
        if attempts.known.len() > REMEMBERED
            && let Some(oldest) = attempts.oldest_first.pop_front()
        {
            attempts.known.remove(&oldest);
        }
    }

    pub(super) fn has(&self, attempt: i64) -> bool {
        let attempts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        attempts.known.contains(&attempt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_attempts_are_remembered() {
        let unsent = Unsent::default();
        let most = i64::try_from(REMEMBERED).unwrap();
        (0..=most).for_each(|attempt| unsent.note(attempt));
        assert!(!unsent.has(0));
        assert!((1..=most).all(|attempt| unsent.has(attempt)));
    }
}
