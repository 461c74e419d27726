//! The deadline of a call.

use std::time::Duration;

use http::HeaderMap;

use crate::call::margins::lead;

/// The header in which gRPC carries the time left.
const GRPC_TIMEOUT: &str = "grpc-timeout";

/// Longer than any process runs, and short enough for all clocks.
const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// How long a call may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeouts {
    /// For calls without a deadline.
    pub(super) default: Duration,
    pub(super) maximum: Duration,
}

impl Timeouts {
    /// The time for a call with these headers, from its arrival to its response.
    pub(super) fn of(self, headers: &HeaderMap) -> Duration {
        given(headers).map_or(self.default, led).min(self.maximum)
    }
}

/// The time for a stream with these headers: as long as its client wants.
pub(super) fn of_stream(headers: &HeaderMap) -> Duration {
    given(headers).map_or(FOR_EVER, |given| led(given).min(FOR_EVER))
}

/// What the client gives, if it gives anything.
fn given(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(GRPC_TIMEOUT)?;
    parse(value.to_str().ok()?)
}

/// So much earlier that the client gets the response in time.
fn led(given: Duration) -> Duration {
    given.saturating_sub(lead(given))
}

/// Reads `grpc-timeout`: up to eight digits and a unit (gRPC over HTTP/2, "Timeout").
fn parse(value: &str) -> Option<Duration> {
    let (digits, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    let plausible = (1..=8).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    let amount: u64 = digits.parse().ok().filter(|_| plausible)?;
    match unit {
        "H" => Some(Duration::from_secs(amount * 3600)),
        "M" => Some(Duration::from_secs(amount * 60)),
        "S" => Some(Duration::from_secs(amount)),
        "m" => Some(Duration::from_millis(amount)),
        "u" => Some(Duration::from_micros(amount)),
        "n" => Some(Duration::from_nanos(amount)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUTS: Timeouts = Timeouts {
        default: Duration::from_secs(30),
        maximum: Duration::from_secs(55),
    };

    fn of(timeout: &str) -> Duration {
        let mut headers = HeaderMap::new();
        headers.insert(GRPC_TIMEOUT, timeout.parse().unwrap());
        TIMEOUTS.of(&headers)
    }

    #[test]
    fn every_unit_is_read() {
        let units = [
            ("1H", 3_600_000),
            ("2M", 120_000),
            ("3S", 3_000),
            ("400m", 400),
        ];
        for (text, milliseconds) in units {
            assert_eq!(
                parse(text),
                Some(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
        assert_eq!(parse("5u"), Some(Duration::from_micros(5)));
        assert_eq!(parse("6n"), Some(Duration::from_nanos(6)));
    }

    #[test]
    fn nonsense_is_not_a_deadline() {
        for text in ["", "S", "1", "-1S", "123456789S", "1s", "1.5S"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(of("nonsense"), TIMEOUTS.default);
    }

    #[test]
    fn the_response_leaves_early_enough_for_a_network() {
        assert_eq!(of("2S"), Duration::from_millis(1_900));
        assert_eq!(of("8S"), Duration::from_millis(7_750));
        assert_eq!(of("10m"), Duration::from_millis(5));
    }

    #[test]
    fn a_stream_may_take_as_long_as_its_client_wants() {
        let mut headers = HeaderMap::new();
        assert_eq!(of_stream(&headers), FOR_EVER);
        headers.insert(GRPC_TIMEOUT, "2H".parse().unwrap());
        assert_eq!(of_stream(&headers), Duration::from_millis(7_199_750));
        headers.insert(GRPC_TIMEOUT, "99999999H".parse().unwrap());
        assert_eq!(of_stream(&headers), FOR_EVER);
    }

    #[test]
    fn no_call_takes_longer_than_the_maximum() {
        assert_eq!(of("2M"), TIMEOUTS.maximum);
        assert_eq!(TIMEOUTS.of(&HeaderMap::new()), TIMEOUTS.default);
    }
}
