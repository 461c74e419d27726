//! The leaky buckets that count a portal's requests.

use std::collections::HashMap;
use std::net::IpAddr;

use jiff::Timestamp;

use super::limits::Intensity;

/// Whom a bucket belongs to. What is `None` is not told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Source {
    pub(super) address: Option<IpAddr>,
    /// The fingerprint of what the request presented to prove who calls.
    pub(super) caller: Option<u64>,
}

/// The buckets of one portal, each by its source.
#[derive(Debug, Default)]
pub(super) struct Buckets {
    levels: HashMap<Source, Level>,
}

/// Whether a request may pass.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Admission {
    pub(super) is_admitted: bool,
    /// How full the bucket is now, if there is one.
    pub(super) level: Option<f64>,
}

impl Admission {
    /// No bucket counts the request.
    pub(super) const FREE: Self = Self {
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
    /// Counts a request, if the bucket is not too full for it.
    pub(super) fn admit(
        &mut self,
        source: Source,
        intensity: Intensity,
        now: Timestamp,
    ) -> Admission {
        let level = self.levels.entry(source).or_insert(Level {
            requests: 0.0,
            at: now,
        });
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

    /// Empties every bucket.
    pub(super) fn clear(&mut self) {
        self.levels.clear();
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
                    let admission = buckets.admit(Source::default(), Intensity::STANDARD, now);
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
    fn sources_do_not_share_a_bucket() {
        let mut buckets = Buckets::default();
        let one = Intensity {
            burst: 1,
            drain_per_second: 0.0,
        };
        let other = Source {
            caller: Some(1),
            ..Source::default()
        };
        for (source, admitted) in [
            (Source::default(), true),
            (Source::default(), false),
            (other, true),
        ] {
            let admission = buckets.admit(source, one, Timestamp::UNIX_EPOCH);
            assert_eq!(admission.is_admitted, admitted);
            assert_eq!(admission.level, Some(1.0));
        }
    }
}
