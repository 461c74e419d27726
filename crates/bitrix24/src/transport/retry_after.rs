//! How long a server asks its clients to wait.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{DATE, HeaderName, RETRY_AFTER};

/// The longest wait that is believed. A server with a wrong clock, or one that means a day, is
/// asked again after this time.
const LONGEST: Duration = Duration::from_secs(300);

/// Reads `Retry-After`: seconds or a date, at most [`LONGEST`]. A date counts from the server's own
/// `Date`, if there is one, so that a wrong clock does not matter.
///
/// Source: RFC 9110, section 10.2.3.
pub(super) fn read(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: HeaderName| headers.get(name)?.to_str().ok().map(str::trim);
    let wait = text(RETRY_AFTER)?;
    let asked = if !wait.is_empty() && wait.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a number holds are more than the longest wait.
        wait.parse().map_or(LONGEST, Duration::from_secs)
    } else {
        let until = httpdate::parse_http_date(wait).ok()?;
        let now = text(DATE).and_then(|date| httpdate::parse_http_date(date).ok());
        let now = now.unwrap_or_else(SystemTime::now);
        until.duration_since(now).unwrap_or_default()
    };
    Some(asked.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn asked(retry_after: &str, date: Option<&str>) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_str(retry_after).unwrap());
        if let Some(date) = date {
            headers.insert(DATE, HeaderValue::from_str(date).unwrap());
        }
        read(&headers)
    }

    fn seconds(seconds: u64) -> Option<Duration> {
        Some(Duration::from_secs(seconds))
    }

    #[test]
    fn seconds_are_read() {
        assert_eq!(asked("30", None), seconds(30));
        assert_eq!(asked(" 0 ", None), seconds(0));
    }

    #[test]
    fn a_date_counts_from_the_servers_own_clock() {
        let date = Some("Sun, 06 Nov 1994 08:49:07 GMT");
        assert_eq!(asked("Sun, 06 Nov 1994 08:49:37 GMT", date), seconds(30));
        assert_eq!(asked("Sunday, 06-Nov-94 08:49:37 GMT", date), seconds(30));
        assert_eq!(asked("Sun, 06 Nov 1994 08:00:00 GMT", date), seconds(0));
        assert_eq!(asked("Sun, 06 Nov 1994 08:49:37 GMT", None), seconds(0));
        assert_eq!(asked("Fri, 31 Dec 9999 23:59:59 GMT", None), Some(LONGEST));
    }

    #[test]
    fn no_wait_is_longer_than_the_longest() {
        for long in ["301", "86400", "99999999999999999999999"] {
            assert_eq!(asked(long, None), Some(LONGEST), "{long}");
        }
    }

    #[test]
    fn what_is_neither_seconds_nor_a_date_is_no_wait() {
        for odd in ["", "soon", "-1", "1.5", "30s", "0x10"] {
            assert_eq!(asked(odd, None), None, "{odd}");
        }
        assert_eq!(read(&HeaderMap::new()), None);
    }
}
