//! How many questions events without proof may cause, from one source and in all.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::source::Source;

/// Sources that are counted apart. More are counted as one, until some have been silent.
const SOURCES: usize = 10_000;

/// Questions in a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From all sources together. 1 or more.
    pub in_all: u32,
    /// From one source. 1 or more.
    pub of_one_source: u32,
}

/// Token buckets that hold what a minute adds.
#[derive(Debug)]
pub(super) struct Shares {
    limits: Limits,
    buckets: Mutex<Buckets>,
}

#[derive(Debug)]
struct Buckets {
    all: Bucket,
    by_source: HashMap<Source, Bucket>,
    others: Bucket,
}

/// A bucket, by the moment at which it is full again.
#[derive(Clone, Copy, Debug)]
struct Bucket(Instant);

/// The share is used up for longer than the caller waits.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct UsedUp;

impl Shares {
    pub(super) fn new(limits: Limits) -> Self {
        let now = Bucket(Instant::now());
        Self {
            limits,
            buckets: Mutex::new(Buckets {
                all: now,
                by_source: HashMap::new(),
                others: now,
            }),
        }
    }

    /// Waits until it is the turn of a source, at most `patience` for its own share and as long for
    /// that of all. Whoever is refused has waited for nothing of it.
    pub(super) async fn take(&self, source: Source, patience: Duration) -> Result<(), UsedUp> {
        let wait = self.reserve(patience, |buckets, now| {
            let limit = self.limits.of_one_source;
            buckets.of(source, now).reserve(limit, now, patience)
        })?;
        tokio::time::sleep(wait).await;
        let wait = self.reserve(patience, |buckets, now| {
            buckets.all.reserve(self.limits.in_all, now, patience)
        })?;
        tokio::time::sleep(wait).await;
        Ok(())
    }

    fn reserve(
        &self,
        patience: Duration,
        reserve: impl FnOnce(&mut Buckets, Instant) -> Duration,
    ) -> Result<Duration, UsedUp> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = reserve(&mut buckets, Instant::now());
        if wait > patience {
            return Err(UsedUp);
        }
        Ok(wait)
    }
}

impl Buckets {
    fn of(&mut self, source: Source, now: Instant) -> &mut Bucket {
        if !self.by_source.contains_key(&source) && self.by_source.len() >= SOURCES {
            self.by_source.retain(|_, bucket| bucket.0 > now);
            if self.by_source.len() >= SOURCES {
                return &mut self.others;
            }
        }
        self.by_source.entry(source).or_insert(Bucket(now))
    }
}

impl Bucket {
    /// Takes a token, and says how long it is until there is one. Takes none if that is longer than
    /// `patience`.
    fn reserve(&mut self, per_minute: u32, now: Instant, patience: Duration) -> Duration {
        let minute = Duration::from_mins(1);
        let full = self.0.max(now) + minute / per_minute.max(1);
        let wait = full.saturating_duration_since(now).saturating_sub(minute);
        if wait <= patience {
            self.0 = full;
        }
        wait
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use http::HeaderMap;

    use super::*;

    fn source(number: u32) -> Source {
        let address = IpAddr::V4(std::net::Ipv4Addr::from_bits(number));
        Source::of(address, &HeaderMap::new(), &[])
    }

    fn shares() -> Shares {
        Shares::new(Limits {
            in_all: 10,
            of_one_source: 4,
        })
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_source_has_its_share_and_what_a_minute_adds_to_it() {
        let shares = shares();
        for _ in 0..4 {
            shares.take(source(1), Duration::ZERO).await.unwrap();
        }
        assert_eq!(shares.take(source(1), SECOND).await, Err(UsedUp));
        // Being refused cost nothing.
        let begun = Instant::now();
        shares.take(source(1), 20 * SECOND).await.unwrap();
        assert_eq!(begun.elapsed().as_secs(), 15);
        assert_eq!(shares.take(source(1), SECOND).await, Err(UsedUp));
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_that_asks_too_much_takes_nothing_from_another() {
        let shares = shares();
        for _ in 0..100 {
            let _ = shares.take(source(1), Duration::ZERO).await;
        }
        for number in 2..3 {
            for _ in 0..4 {
                shares.take(source(number), Duration::ZERO).await.unwrap();
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn all_together_have_no_more_than_their_share() {
        let shares = shares();
        let mut granted = 0;
        for number in 0..100 {
            let taken = shares.take(source(number), Duration::ZERO).await;
            granted += u32::from(taken.is_ok());
        }
        assert_eq!(granted, 10);
    }

    #[tokio::test(start_paused = true)]
    async fn the_memory_of_sources_is_bounded() {
        let shares = Shares::new(Limits {
            in_all: 6000,
            of_one_source: 1,
        });
        for number in 0..30_000 {
            let _ = shares.take(source(number), Duration::ZERO).await;
        }
        let count = || shares.buckets.lock().unwrap().by_source.len();
        assert_eq!(count(), SOURCES);
        // Those that have been silent are forgotten.
        tokio::time::advance(120 * SECOND).await;
        shares.take(source(40_000), Duration::ZERO).await.unwrap();
        assert_eq!(count(), 1);
    }
}
