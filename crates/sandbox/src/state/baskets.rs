//! Operating time of each method for each application or webhook within ten minutes.
//!
//! Source: page "limits". The time is kept in baskets of one minute. A basket is emptied ten
//! minutes after the first call of its minute.

use std::collections::HashMap;

use jiff::Timestamp;

/// How long a basket is kept, in seconds.
const KEPT_SECONDS: i64 = 600;
/// How long calls go into the same basket, in seconds.
const BASKET_SECONDS: i64 = 60;

/// The caller's fingerprint and the method.
type Owner = (u64, String);

#[derive(Debug, Default)]
pub(crate) struct Baskets {
    baskets: HashMap<Owner, Vec<Basket>>,
}

#[derive(Clone, Copy, Debug)]
struct Basket {
    /// Unix time of the first call of this minute.
    first: i64,
    seconds: f64,
}

/// The operating time as `time` reports it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct OperatingTime {
    /// Within the last ten minutes.
    pub(crate) seconds: f64,
    /// Unix time at which the oldest basket is emptied.
    pub(crate) reset_at: i64,
}

impl Baskets {
    pub(crate) fn used(&mut self, caller: u64, method: &str, now: Timestamp) -> OperatingTime {
        let now = now.as_second();
        let baskets = self.of(caller, method, now);
        OperatingTime {
            seconds: baskets.iter().map(|basket| basket.seconds).sum(),
            reset_at: baskets.first().map_or(now, |oldest| oldest.first) + KEPT_SECONDS,
        }
    }

    /// What callers have used of methods, of at most so many.
    pub(crate) fn all(&mut self, now: Timestamp, most: usize) -> Vec<(u64, String, OperatingTime)> {
        let owners: Vec<Owner> = self.baskets.keys().take(most).cloned().collect();
        let used = owners.into_iter().map(|(caller, method)| {
            let used = self.used(caller, &method, now);
            (caller, method, used)
        });
        used.filter(|(_, _, used)| used.seconds > 0.0).collect()
    }

    /// Adds the time of one call.
    pub(crate) fn charge(
        &mut self,
        caller: u64,
        method: &str,
        seconds: f64,
        now: Timestamp,
    ) -> OperatingTime {
        let second = now.as_second();
        let baskets = self.of(caller, method, second);
        match baskets.last_mut() {
            Some(newest) if second - newest.first < BASKET_SECONDS => newest.seconds += seconds,
            _ => baskets.push(Basket {
                first: second,
                seconds,
            }),
        }
        self.used(caller, method, now)
    }

    /// The baskets that are still kept, oldest first.
    fn of(&mut self, caller: u64, method: &str, now: i64) -> &mut Vec<Basket> {
        let baskets = self.baskets.entry((caller, method.to_owned())).or_default();
        baskets.retain(|basket| now - basket.first < KEPT_SECONDS);
        baskets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn time_leaves_basket_by_basket() {
        let mut baskets = Baskets::default();
        for (second, charged, sum, reset_at) in [
            (0, 1.0, 1.0, 600),
            (59, 2.0, 3.0, 600),
            (60, 4.0, 7.0, 600),
            (599, 0.0, 7.0, 600),
            (600, 0.0, 4.0, 660),
        ] {
            let reported = baskets.charge(1, "m", charged, at(second));
            assert_eq!(
                reported,
                OperatingTime {
                    seconds: sum,
                    reset_at
                },
                "{second}"
            );
        }
    }

    #[test]
    fn callers_and_methods_are_counted_apart() {
        let mut baskets = Baskets::default();
        baskets.charge(1, "m", 5.0, at(0));
        for (caller, method, seconds) in [(1, "m", 5.0), (1, "n", 0.0), (2, "m", 0.0)] {
            assert_eq!(baskets.used(caller, method, at(0)).seconds, seconds);
        }
    }
}
