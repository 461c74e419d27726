//! The bucket of requests that one portal accepts from us, as far as we know it.
//!
//! The portal counts a request when it arrives; we count it when its permit is issued. A late
//! request and a fast one may arrive closer together than they were sent. So the bucket drains
//! only while no request is between permit and send, and [`JITTER`] of its drain stays free.

use std::time::{Duration, Instant};

use crate::backoff::Backoff;
use crate::{RateLimit, Taken};

/// By how much the transit times of two requests may differ without the portal seeing more than
/// it accepts.
const JITTER: Duration = Duration::from_millis(100);

/// The most of the bucket that is kept free for that.
const MOST_FOR_JITTER: f64 = 0.2;

/// A bucket that this process does not share.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    limit: RateLimit,
    /// Requests in the bucket at `at`.
    level: f64,
    at: Instant,
    /// Requests that have a permit and were not sent yet.
    unsent: u32,
    backoff: Backoff,
}

impl Bucket {
    /// An empty bucket.
    pub(crate) fn new(limit: RateLimit, now: Instant) -> Self {
        Self {
            limit,
            level: 0.0,
            at: now,
            unsent: 0,
            backoff: Backoff::default(),
        }
    }

    pub(crate) fn limit(&self) -> RateLimit {
        self.limit
    }

    /// Changes the limit; what is in the bucket stays.
    pub(crate) fn set_limit(&mut self, limit: RateLimit, now: Instant) {
        self.drain(now);
        self.limit = limit;
    }

    /// How many requests could go now. May be a fraction, and is 0 during a backoff.
    pub(crate) fn room(&mut self, now: Instant) -> f64 {
        self.drain(now);
        if self.backoff.until(now).is_some() {
            return 0.0;
        }
        (self.brim() - self.level).max(0.0)
    }

    /// The same without recording that time has passed.
    pub(crate) fn peek(&self, now: Instant) -> f64 {
        self.clone().room(now)
    }

    /// The end of the backoff, if one is running.
    pub(crate) fn backoff_until(&self, now: Instant) -> Option<Instant> {
        self.backoff.until(now)
    }

    /// Takes a permit.
    pub(crate) fn take(&mut self, now: Instant) -> Taken {
        let taken = self.offer(0, now);
        if taken == Taken::Granted {
            self.level += 1.0;
            self.unsent += 1;
        }
        taken
    }

    /// Whether a permit could be taken after this many others. Takes none.
    pub(crate) fn offer(&mut self, after: u32, now: Instant) -> Taken {
        self.drain(now);
        if let Some(until) = self.backoff.until(now) {
            return Taken::At(until);
        }
        let missing = self.level + f64::from(after) + 1.0 - self.brim();
        // A rounding error is no reason to wait.
        if missing > 1e-9 {
            let wait = self.limit.time_for(missing);
            return Taken::At(now + wait.max(Duration::from_millis(1)));
        }
        Taken::Granted
    }

    /// The request of a permit was sent.
    pub(crate) fn sent(&mut self, now: Instant) {
        self.drain(now);
        self.unsent = self.unsent.saturating_sub(1);
    }

    /// The request of a permit will not be sent: the portal never sees it.
    pub(crate) fn release(&mut self, now: Instant) {
        self.sent(now);
        self.level = (self.level - 1.0).max(0.0);
    }

    /// The portal rejected a request because its bucket is full.
    pub(crate) fn rejected(&mut self, now: Instant) {
        self.drain(now);
        // It counts what it accepts, not what it rejects.
        self.level = f64::from(self.limit.burst);
        self.backoff.lengthen(now);
    }

    /// The portal accepted a request.
    pub(crate) fn accepted(&mut self) {
        self.backoff.accepted();
    }

    /// The portal asks for a pause.
    pub(crate) fn pause(&mut self, lasts: Duration, now: Instant) {
        self.backoff.pause(lasts, now);
    }

    /// Whether it is empty, as if nothing had ever been sent.
    pub(crate) fn is_empty(&mut self, now: Instant) -> bool {
        self.drain(now);
        self.level <= 0.0 && self.unsent == 0
    }

    /// The level that is never exceeded.
    fn brim(&self) -> f64 {
        let burst = f64::from(self.limit.burst);
        let jitter = self.limit.per_second * JITTER.as_secs_f64();
        (burst - jitter.min(burst * MOST_FOR_JITTER)).max(1.0)
    }

    fn drain(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at);
        if self.unsent == 0 {
            let drained = passed.as_secs_f64() * self.limit.per_second;
            self.level = (self.level - drained).max(0.0);
        }
        self.at = self.at.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::STANDARD;

    fn standard(now: Instant) -> Bucket {
        Bucket::new(STANDARD, now)
    }

    /// How many permits it issues now, each sent at once.
    fn taken(bucket: &mut Bucket, now: Instant) -> u32 {
        let mut count = 0;
        while bucket.take(now) == Taken::Granted {
            bucket.sent(now);
            count += 1;
        }
        count
    }

    #[test]
    fn a_burst_goes_at_once_and_then_as_many_as_drain() {
        let start = Instant::now();
        let mut bucket = standard(start);
        assert_eq!(taken(&mut bucket, start), 49);
        let minute = (1..=600).map(|tenth| start + Duration::from_millis(tenth * 100));
        let later: u32 = minute.map(|now| taken(&mut bucket, now)).sum();
        assert!((119..=120).contains(&later), "{later}");
    }

    #[test]
    fn it_says_when_there_is_room_again() {
        let start = Instant::now();
        let mut bucket = standard(start);
        taken(&mut bucket, start);
        let Taken::At(then) = bucket.take(start) else {
            panic!("full");
        };
        let wait = (then - start).as_secs_f64();
        assert!((wait - 0.1).abs() < 0.002, "0.8 are free, {wait}");
        assert_eq!(bucket.take(then), Taken::Granted);
    }

    #[test]
    fn nothing_drains_while_a_request_is_not_sent() {
        let start = Instant::now();
        let mut bucket = standard(start);
        taken(&mut bucket, start);
        let then = start + Duration::from_millis(200);
        assert_eq!(bucket.take(then), Taken::Granted);
        let later = then + Duration::from_secs(60);
        assert!(bucket.room(later) < 1.0);
        bucket.sent(later);
        assert!(bucket.room(later + Duration::from_secs(1)) > 1.0);
    }

    #[test]
    fn a_released_permit_leaves_no_trace() {
        let start = Instant::now();
        let mut bucket = standard(start);
        for _ in 0..100 {
            assert_eq!(bucket.take(start), Taken::Granted);
            bucket.release(start);
        }
    }

    #[test]
    fn rejections_in_a_row_lengthen_the_backoff() {
        let start = Instant::now();
        let mut bucket = standard(start);
        let mut now = start;
        let mut waits = Vec::new();
        for _ in 0..5 {
            bucket.rejected(now);
            let Taken::At(then) = bucket.take(now) else {
                panic!("closed");
            };
            waits.push((then - now).as_millis());
            now = then;
        }
        assert_eq!(waits, [500, 1000, 2000, 4000, 4000]);
        bucket.accepted();
        bucket.rejected(now);
        assert!(bucket.room(now + Duration::from_secs(1)) > 0.0);
    }
}
