//! The leaky buckets that limit a portal's requests.

use std::collections::HashMap;
use std::net::IpAddr;

use jiff::Timestamp;

use crate::portal::Intensity;

/// The requests that share a bucket. `None`: not distinguished.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct BucketKey {
    pub(crate) address: Option<IpAddr>,
    /// The fingerprint of the credential.
    pub(crate) caller: Option<u64>,
}

#[derive(Debug, Default)]
pub(crate) struct Buckets {
    levels: HashMap<BucketKey, Level>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Admission {
    pub(crate) is_admitted: bool,
    /// The level of the bucket, if the request is counted.
    pub(crate) level: Option<f64>,
}

impl Admission {
    /// The request is not counted.
    pub(crate) const FREE: Self = Self {
        is_admitted: true,
        level: None,
    };
}

#[derive(Debug)]
struct Level {
    requests: f64,
    at: Timestamp,
}

impl Buckets {
    /// Each level as it was after its last request.
    pub(crate) fn levels(&self) -> impl Iterator<Item = (BucketKey, f64, Timestamp)> {
        let levels = self.levels.iter();
        levels.map(|(key, level)| (*key, level.requests, level.at))
    }

    /// Counts a request if the bucket has room for it.
    pub(crate) fn admit(
        &mut self,
        key: BucketKey,
        intensity: Intensity,
        now: Timestamp,
    ) -> Admission {
        let empty = Level {
            requests: 0.0,
            at: now,
        };
        let level = self.levels.entry(key).or_insert(empty);
        let seconds = now.duration_since(level.at).as_secs_f64().max(0.0);
        level.requests = (level.requests - seconds * intensity.drain_per_second).max(0.0);
        level.at = now;
        let is_admitted = level.requests + 1.0 <= f64::from(intensity.burst);
        if is_admitted {
            level.requests += 1.0;
        }
        Admission {
            is_admitted,
            level: Some(level.requests),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn a_burst_is_taken_and_then_as_many_as_drain() {
        let (mut buckets, start) = (Buckets::default(), Timestamp::UNIX_EPOCH);
        let mut taken = |after_ms: i64, tries: usize| {
            let now = start + SignedDuration::from_millis(after_ms);
            (0..tries)
                .filter(|_| {
                    let admission = buckets.admit(BucketKey::default(), Intensity::STANDARD, now);
                    admission.is_admitted
                })
                .count()
        };
        assert_eq!(taken(0, 60), 50);
        assert_eq!(taken(400, 5), 0);
        assert_eq!(taken(1_000, 5), 2);
        assert_eq!(taken(1_000_000, 60), 50);
    }

    #[test]
    fn keys_do_not_share_a_bucket() {
        let mut buckets = Buckets::default();
        let one = Intensity {
            burst: 1,
            drain_per_second: 0.0,
        };
        let other = BucketKey {
            caller: Some(1),
            ..BucketKey::default()
        };
        for (key, admitted) in [
            (BucketKey::default(), true),
            (BucketKey::default(), false),
            (other, true),
        ] {
            let admission = buckets.admit(key, one, Timestamp::UNIX_EPOCH);
            assert_eq!(admission.is_admitted, admitted);
            assert_eq!(admission.level, Some(1.0));
        }
    }
}
