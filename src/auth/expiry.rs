//! When a credential ends.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use thiserror::Error;

/// Seconds since 1970 (UTC).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(pub(super) i64);

/// A text is neither a date nor a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("is neither a date like 2027-01-31 nor a time like 2027-01-31T12:00:00Z")]
pub(crate) struct InvalidMoment;

impl Moment {
    /// Now, by the clock of the system.
    pub(super) fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let seconds = since.map_or(0, |since| since.as_secs());
        Self(i64::try_from(seconds).unwrap_or(i64::MAX))
    }

    /// Parses a time with its offset, or a date, which stands for its first moment (UTC).
    ///
    /// # Errors
    ///
    /// The text is neither.
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidMoment> {
        let day = text
            .parse::<Date>()
            .ok()
            .filter(|_| text.len() == "2027-01-31".len());
        let moment = match day {
            Some(day) => day.to_zoned(TimeZone::UTC).map(|day| day.timestamp()),
            None => text.parse::<Timestamp>(),
        };
        moment
            .map(|moment| Self(moment.as_second()))
            .map_err(|_| InvalidMoment)
    }

    pub(super) fn is_after(self, other: Self) -> bool {
        self.0 > other.0
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_second(self.0) {
            Ok(moment) => moment.fmt(f),
            Err(_) => self.0.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{InvalidMoment, Moment};

    #[test]
    fn a_date_is_its_first_moment_and_a_time_needs_its_offset() {
        let midnight = Moment::parse("2027-01-31T00:00:00Z").unwrap();
        assert_eq!(Moment::parse("2027-01-31"), Ok(midnight));
        assert_eq!(Moment::parse("2027-01-31T03:00:00+03:00"), Ok(midnight));
        assert_eq!(midnight.to_string(), "2027-01-31T00:00:00Z");
        for text in [
            "",
            "tomorrow",
            "2027-02-30",
            "2027-01-31T00:00:00",
            "31.01.2027",
            "1801353600",
        ] {
            assert_eq!(Moment::parse(text), Err(InvalidMoment), "{text}");
        }
    }
}
