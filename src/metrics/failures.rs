//! The calls that failed last, for the status page.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use super::{Metrics, Operation};
use bitrix24::TenantId;

/// How many are kept.
const KEPT: usize = 50;

/// A call that failed.
#[derive(Clone, Debug)]
pub(crate) struct FailedCall {
    pub(crate) at: Timestamp,
    pub(crate) operation: Arc<Operation>,
    pub(crate) tenant: Option<TenantId>,
    /// The status in `UPPER_SNAKE_CASE`.
    pub(crate) code: &'static str,
    pub(crate) reason: Option<&'static str>,
}

/// The last ones, the newest at the end.
#[derive(Debug, Default)]
pub(super) struct LastFailures(Mutex<VecDeque<FailedCall>>);

impl Metrics {
    /// Keeps a call that failed. No call waits for another one here: while one is noted, others are
    /// left out.
    pub(crate) fn call_failed(&self, failed: impl FnOnce() -> FailedCall) {
        let LastFailures(kept) = &self.0.last_failures;
        if let Ok(mut kept) = kept.try_lock() {
            if kept.len() == KEPT {
                kept.pop_front();
            }
            kept.push_back(failed());
        }
    }

    /// The newest first.
    pub(crate) fn last_failures(&self) -> Vec<FailedCall> {
        let LastFailures(kept) = &self.0.last_failures;
        let kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().rev().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_failures_are_kept() {
        let metrics = Metrics::new().unwrap();
        let operation = Arc::new(Operation::new("service/method"));
        for number in 0..KEPT + 3 {
            metrics.call_failed(|| FailedCall {
                at: Timestamp::from_second(i64::try_from(number).unwrap()).unwrap(),
                operation: Arc::clone(&operation),
                tenant: None,
                code: "INTERNAL",
                reason: None,
            });
        }
        let kept = metrics.last_failures();
        assert_eq!(kept.len(), KEPT);
        assert_eq!(kept[0].at.as_second(), 52);
        assert_eq!(kept[KEPT - 1].at.as_second(), 3);
    }
}
