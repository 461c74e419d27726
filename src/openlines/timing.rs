//! What Bitrix24 reports of time, in the API's terms.

use prost_types::{Duration, Timestamp};

use crate::api::bitrix24::openlines::v1::{CallTiming, OperatingBudget};
use crate::bitrix24::Time;

/// Seconds beyond this are no plausible time or duration and are left out: 31 December 9999, the end of `Timestamp`.
const LAST_SECOND: f64 = 253_402_300_799.0;

pub(super) fn timing(time: &Time) -> CallTiming {
    CallTiming {
        start_time: time.start.and_then(timestamp),
        finish_time: time.finish.and_then(timestamp),
        duration: time.duration.and_then(duration),
        processing_duration: time.processing.and_then(duration),
        portal_start_date: time.date_start.clone().unwrap_or_default(),
        portal_finish_date: time.date_finish.clone().unwrap_or_default(),
    }
}

/// `None` if the portal reports nothing of the budget.
pub(super) fn operating_budget(time: &Time) -> Option<OperatingBudget> {
    let budget = OperatingBudget {
        used_duration: time.operating.and_then(duration),
        reset_time: time.operating_reset_at.and_then(timestamp),
    };
    (budget != OperatingBudget::default()).then_some(budget)
}

pub(super) fn timestamp(seconds: f64) -> Option<Timestamp> {
    let Duration { seconds, nanos } = duration(seconds)?;
    Some(Timestamp { seconds, nanos })
}

fn duration(seconds: f64) -> Option<Duration> {
    if !(0.0..=LAST_SECOND).contains(&seconds) {
        return None;
    }
    std::time::Duration::try_from_secs_f64(seconds)
        .ok()?
        .try_into()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_with_a_fraction_become_seconds_and_nanoseconds() {
        assert_eq!(
            duration(1.5),
            Some(Duration {
                seconds: 1,
                nanos: 500_000_000
            })
        );
        assert_eq!(
            timestamp(1_773_265_993.0).map(|t| t.seconds),
            Some(1_773_265_993)
        );
    }

    #[test]
    fn impossible_times_are_left_out() {
        for impossible in [-1.0, 1e12, f64::NAN, f64::INFINITY] {
            assert_eq!(duration(impossible), None, "{impossible}");
        }
    }

    #[test]
    fn a_portal_that_reports_no_budget_has_none() {
        assert_eq!(operating_budget(&Time::default()), None);
        let time = Time {
            operating: Some(0.0),
            ..Time::default()
        };
        assert_eq!(
            operating_budget(&time).unwrap().used_duration,
            Some(Duration::default())
        );
    }
}
