//! When a portal certainly refuses another message to a recipient.
//!
//! Bitrix24 says "one message in a week" and not which week: the seven days after a message, or the
//! week of a calendar, in which case nobody says in which time zone and with which first day.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use store::weekly_limits::{CONFIRMED, Stored};

/// What the week of Bitrix24's limit is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeekReading {
    /// Unknown: a message is refused while both readings agree.
    Certain,
    /// The seven days after a message.
    Rolling,
}

/// What a portal said of a recipient.
#[derive(Clone, Copy, Debug)]
pub(super) struct Week {
    /// When the request began with the message that was accepted.
    pub(super) accepted_at: Timestamp,
    /// When a later one was refused.
    pub(super) refused_at: Option<Timestamp>,
}

const WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Seven days of a portal's local time may be an hour short, when clocks are set forward. The rest
/// is for clocks that differ, and for the time until a message that is sent now is judged.
const MARGIN: SignedDuration = SignedDuration::from_hours(2);

/// Monday at 13:00 UTC. By then a calendar week has begun everywhere: whether it begins on
/// Saturday, Sunday or Monday, its first midnight comes to the last time zone, UTC-12, on Monday at
/// 12:00. The hour more is a margin.
const BEGUN_EVERYWHERE: Duration = Duration::from_hours(4 * 24 + 13);

/// From then to Friday at 09:00 UTC no calendar week ends: Saturday's midnight comes to the first
/// time zone, UTC+14, on Friday at 10:00. The hour less is a margin.
const WITHIN_ANY_WEEK: SignedDuration = SignedDuration::from_hours(3 * 24 + 20);

/// How far ahead of the database's clock a record may be. One beyond was written while the clock
/// was wrong.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);

impl Week {
    /// Until when the portal certainly refuses another message, if it does so now.
    pub(super) fn certain_until(&self, reading: WeekReading, now: Timestamp) -> Option<Timestamp> {
        if self.accepted_at > now.checked_add(AHEAD).ok()? {
            return None;
        }
        let seven_days = self.accepted_at.checked_add(WEEK - MARGIN).ok()?;
        let until = match reading {
            WeekReading::Rolling => seven_days,
            WeekReading::Certain => {
                // A refusal says of its own moment what an accepted message says of its: in this
                // calendar week the recipient has had one.
                let refused_at = self.refused_at.filter(|at| *at > self.accepted_at);
                let said = [Some(self.accepted_at), refused_at];
                let ends = said.into_iter().flatten().filter_map(end_of_any_week);
                seven_days.min(ends.max()?)
            }
        };
        (now < until).then_some(until)
    }
}

/// The first moment at which a calendar week may end that has this moment; `None` if one may begin
/// right after it.
fn end_of_any_week(at: Timestamp) -> Option<Timestamp> {
    // 1970 began on a Thursday.
    let first = i64::try_from(BEGUN_EVERYWHERE.as_millis()).ok()?;
    let into = (at.as_millisecond() - first).rem_euclid(WEEK.as_millis().try_into().ok()?);
    let into = SignedDuration::from_millis(into);
    let left = WITHIN_ANY_WEEK - into;
    left.is_positive().then(|| at.checked_add(left).ok())?
}

/// Whether the portal has lately refused somebody's message for the limit.
pub(super) fn is_confirmed(stored: &Stored) -> bool {
    stored.confirmed_at.is_some_and(|at| {
        let age = stored.now.duration_since(at);
        age > -AHEAD && age.unsigned_abs() < CONFIRMED
    })
}

#[cfg(test)]
mod tests {
    use jiff::Span;
    use jiff::civil::Weekday;
    use jiff::tz::{Offset, TimeZone};

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn until(accepted: &str, refused: Option<&str>, now: &str) -> Option<String> {
        let week = Week {
            accepted_at: at(accepted),
            refused_at: refused.map(at),
        };
        let until = week.certain_until(WeekReading::Certain, at(now));
        until.map(|until| until.to_string())
    }

    // 2026-03-02 is a Monday.
    #[test]
    fn within_working_days_another_message_is_refused_until_friday() {
        let friday = Some("2026-03-06T09:00:00Z".to_owned());
        assert_eq!(
            until("2026-03-02T13:00:00Z", None, "2026-03-02T13:00:00Z"),
            friday
        );
        assert_eq!(
            until("2026-03-03T08:00:00Z", None, "2026-03-06T08:59:59Z"),
            friday
        );
        assert_eq!(
            until("2026-03-03T08:00:00Z", None, "2026-03-06T09:00:00Z"),
            None
        );
    }

    #[test]
    fn of_a_message_around_the_weekend_nothing_is_certain_before_the_portal_refuses_another_one() {
        for accepted in [
            "2026-03-06T09:00:00Z",
            "2026-03-08T12:00:00Z",
            "2026-03-09T12:59:59Z",
        ] {
            assert_eq!(until(accepted, None, "2026-03-09T13:00:00Z"), None);
            let refused = Some("2026-03-10T10:00:00Z");
            let expected = Some("2026-03-13T07:00:00Z".to_owned());
            let found = until(accepted, refused, "2026-03-10T10:00:01Z");
            if accepted.starts_with("2026-03-06") {
                // Seven days less two hours after the message.
                assert_eq!(found, expected);
            } else {
                assert_eq!(found, Some("2026-03-13T09:00:00Z".to_owned()));
            }
        }
        // Nor if the refusal itself came around a weekend, or before the message.
        let accepted = "2026-03-08T12:00:00Z";
        for refused in ["2026-03-09T12:59:59Z", "2026-03-05T12:00:00Z"] {
            assert_eq!(until(accepted, Some(refused), "2026-03-09T13:00:00Z"), None);
        }
    }

    #[test]
    fn seven_days_end_two_hours_early() {
        let week = Week {
            accepted_at: at("2026-03-07T12:00:00Z"),
            refused_at: None,
        };
        let last = at("2026-03-14T10:00:00Z");
        let until = |now| week.certain_until(WeekReading::Rolling, now);
        assert_eq!(until(at("2026-03-07T12:00:00Z")), Some(last));
        assert_eq!(until(at("2026-03-14T09:59:59Z")), Some(last));
        assert_eq!(until(last), None);
    }

    #[test]
    fn a_record_of_a_clock_that_was_ahead_says_nothing() {
        let week = Week {
            accepted_at: at("2026-03-03T12:06:00Z"),
            refused_at: None,
        };
        let now = at("2026-03-03T12:00:00Z");
        for reading in [WeekReading::Certain, WeekReading::Rolling] {
            assert_eq!(week.certain_until(reading, now), None);
        }
    }

    /// Every hour of two weeks against every hour of the two after, in every time zone, with each
    /// first day.
    #[test]
    fn what_is_certain_is_true_of_seven_days_and_of_every_calendar_week() {
        let start = at("2026-03-02T00:30:00Z");
        let hours = |count: i64| start + SignedDuration::from_hours(count);
        for accepted in 0..14 * 24 {
            let accepted_at = hours(accepted);
            let week = Week {
                accepted_at,
                refused_at: None,
            };
            for now in accepted..accepted + 14 * 24 {
                let now = hours(now);
                if week.certain_until(WeekReading::Certain, now).is_none() {
                    continue;
                }
                assert!(now.duration_since(accepted_at) < WEEK);
                for offset in -12..=14 {
                    let zone = TimeZone::fixed(Offset::constant(offset));
                    for first in [Weekday::Saturday, Weekday::Sunday, Weekday::Monday] {
                        let begin = |at: Timestamp| {
                            let day = at.to_zoned(zone.clone()).date();
                            let since = i64::from(day.weekday().since(first));
                            day.checked_sub(Span::new().days(since)).unwrap()
                        };
                        assert_eq!(begin(now), begin(accepted_at), "{now} {accepted_at}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_refusal_counts_for_the_portal_for_a_day() {
        let now = at("2026-03-03T12:00:00Z");
        let stored = |confirmed_at: Option<&str>| Stored {
            now,
            accepted_at: None,
            refused_at: None,
            confirmed_at: confirmed_at.map(at),
        };
        assert!(is_confirmed(&stored(Some("2026-03-02T12:00:01Z"))));
        for not in [
            None,
            Some("2026-03-02T12:00:00Z"),
            Some("2026-03-03T12:06:00Z"),
        ] {
            assert!(!is_confirmed(&stored(not)));
        }
    }
}
