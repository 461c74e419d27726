//! What Bitrix24 reports of time, in the API's terms.

use prost_types::{Duration, Timestamp};

use crate::api::openlines::v1::{CallTiming, OperatingBudget};
use bitrix24::Time;

/// 31 December 9999, the end of `Timestamp`. Larger times and durations are left out.
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
pub(super) fn operating_budget(
    time: &Time,
    limit: Option<std::time::Duration>,
) -> Option<OperatingBudget> {
    let used_duration = time.operating.and_then(duration);
    let left =
        |limit: std::time::Duration| duration((limit.as_secs_f64() - time.operating?).max(0.0));
    let budget = OperatingBudget {
        used_duration,
        remaining_duration: limit.filter(|_| used_duration.is_some()).and_then(left),
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

    const LIMIT: Option<std::time::Duration> = Some(std::time::Duration::from_secs(480));

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
        assert_eq!(operating_budget(&Time::default(), LIMIT), None);
        let time = Time {
            operating: Some(0.0),
            ..Time::default()
        };
        assert_eq!(
            operating_budget(&time, None).unwrap().used_duration,
            Some(Duration::default())
        );
    }

    #[test]
    fn what_is_left_is_the_limit_less_what_was_used_and_never_below_zero() {
        let left = |operating, limit| {
            let time = Time {
                operating,
                operating_reset_at: Some(1.0),
                ..Time::default()
            };
            operating_budget(&time, limit).unwrap().remaining_duration
        };
        let seconds = |seconds| Some(Duration { seconds, nanos: 0 });
        assert_eq!(left(Some(100.0), LIMIT), seconds(380));
        assert_eq!(left(Some(480.5), LIMIT), seconds(0));
        // The limit, or the used time, is unknown.
        assert_eq!(left(Some(100.0), None), None);
        assert_eq!(left(None, LIMIT), None);
        assert_eq!(left(Some(f64::NAN), LIMIT), None);
    }
}
