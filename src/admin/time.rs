//! Times of the store and of the API.

use jiff::Timestamp;

/// A time of the store in the API's form.
pub(super) fn of_stored(time: Timestamp) -> prost_types::Timestamp {
    // The API counts nanoseconds forward, also before 1970.
    let nanos = time.subsec_nanosecond();
    let before = i64::from(nanos < 0);
    prost_types::Timestamp {
        seconds: time.as_second() - before,
        nanos: nanos + if nanos < 0 { 1_000_000_000 } else { 0 },
    }
}

/// A time of a request, if there is such a time.
pub(super) fn of_request(time: &prost_types::Timestamp) -> Option<Timestamp> {
    if !(0..1_000_000_000).contains(&time.nanos) {
        return None;
    }
    Timestamp::new(time.seconds, time.nanos).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_survive_the_way_there_and_back() {
        for (seconds, nanos) in [(0, 0), (1_800_000_000, 5), (-1, 999_999_999)] {
            let time = prost_types::Timestamp { seconds, nanos };
            assert_eq!(of_request(&time).map(of_stored), Some(time));
        }
    }

    #[test]
    fn what_no_calendar_has_is_no_time() {
        for (seconds, nanos) in [(i64::MAX, 0), (0, -1), (0, 1_000_000_000)] {
            assert_eq!(of_request(&prost_types::Timestamp { seconds, nanos }), None);
        }
    }
}
