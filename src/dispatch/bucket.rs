//! The bucket of requests that one portal takes from us, as far as we know it.
//!
//! The portal counts a request when it arrives, and we when it is let go. A request that is late and one that is not would arrive
//! closer together than they left, so the bucket drains only while nothing is between the two, and keeps [`JITTER`] of its drain free.

use std::time::Duration;

use tokio::time::Instant;

use super::pause::Pause;
use super::taken::Taken;
use bitrix24::Intensity;

/// By how much the ways of two requests to the portal may differ, so that the portal never sees more than it takes.
const JITTER: Duration = Duration::from_millis(100);

/// The part of the bucket that is kept free for that at most.
const MOST_FOR_JITTER: f64 = 0.2;

/// A bucket that this process has for itself.
#[derive(Clone, Debug)]
pub struct Bucket {
    intensity: Intensity,
    /// Requests in the bucket at `at`.
    level: f64,
    at: Instant,
    /// Requests that were let go and have not left.
    leaving: u32,
    pause: Pause,
}

impl Bucket {
    /// An empty bucket.
    pub fn new(intensity: Intensity, now: Instant) -> Self {
        Self {
            intensity,
            level: 0.0,
            at: now,
            leaving: 0,
            pause: Pause::default(),
        }
    }

    /// Its figures.
    pub fn intensity(&self) -> Intensity {
        self.intensity
    }

    /// Gives it other figures; what is in it stays.
    pub fn set_intensity(&mut self, intensity: Intensity, now: Instant) {
        self.drain(now);
        self.intensity = intensity;
    }

    /// How many requests could go now. May be a fraction, and is 0 while the bucket is closed.
    pub fn room(&mut self, now: Instant) -> f64 {
        self.drain(now);
        if self.pause.until(now).is_some() {
            return 0.0;
        }
        (self.brim() - self.level).max(0.0)
    }

    /// The same without taking note of the time that has passed.
    pub fn peek(&self, now: Instant) -> f64 {
        self.clone().room(now)
    }

    /// The end of the pause after the portal's refusals, if there is one.
    pub fn paused_until(&self, now: Instant) -> Option<Instant> {
        self.pause.until(now)
    }

    /// Lets a request go.
    pub fn take(&mut self, now: Instant) -> Taken {
        self.drain(now);
        if let Some(until) = self.pause.until(now) {
            return Taken::At(until);
        }
        let missing = self.level + 1.0 - self.brim();
        // A rounding error is no reason to wait.
        if missing > 1e-9 {
            let wait = self.intensity.time_for(missing);
            return Taken::At(now + wait.max(Duration::from_millis(1)));
        }
        self.level += 1.0;
        self.leaving += 1;
        Taken::Granted
    }

    /// A request that was let go has left.
    pub fn departed(&mut self, now: Instant) {
        self.drain(now);
        self.leaving = self.leaving.saturating_sub(1);
    }

    /// A request that was let go will not leave: the portal never sees it.
    pub fn give_back(&mut self, now: Instant) {
        self.departed(now);
        self.level = (self.level - 1.0).max(0.0);
    }

    /// The portal has refused a request because its bucket is full.
    pub fn refused(&mut self, now: Instant) {
        self.drain(now);
        // It counts what it takes, not what it refuses.
        self.level = f64::from(self.intensity.burst);
        self.pause.lengthen(now);
    }

    /// The portal has taken a request.
    pub fn accepted(&mut self) {
        self.pause = Pause::default();
    }

    /// Whether it is empty, as if nothing had ever been sent.
    pub fn is_empty(&mut self, now: Instant) -> bool {
        self.drain(now);
        self.level <= 0.0 && self.leaving == 0
    }

    /// The level that is never exceeded.
    fn brim(&self) -> f64 {
        let burst = f64::from(self.intensity.burst);
        let jitter = self.intensity.per_second * JITTER.as_secs_f64();
        (burst - jitter.min(burst * MOST_FOR_JITTER)).max(1.0)
    }

    fn drain(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at);
        if self.leaving == 0 {
            let drained = passed.as_secs_f64() * self.intensity.per_second;
            self.level = (self.level - drained).max(0.0);
        }
        self.at = self.at.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bitrix24::Plan;

    fn standard(now: Instant) -> Bucket {
        Bucket::new(Plan::Standard.intensity().unwrap(), now)
    }

    /// How many requests it lets go at this moment, each leaving at once.
    fn taken(bucket: &mut Bucket, now: Instant) -> u32 {
        let mut count = 0;
        while bucket.take(now) == Taken::Granted {
            bucket.departed(now);
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
    fn nothing_drains_while_a_request_has_not_left() {
        let start = Instant::now();
        let mut bucket = standard(start);
        taken(&mut bucket, start);
        let then = start + Duration::from_millis(200);
        assert_eq!(bucket.take(then), Taken::Granted);
        let later = then + Duration::from_secs(60);
        assert!(bucket.room(later) < 1.0);
        bucket.departed(later);
        assert!(bucket.room(later + Duration::from_secs(1)) > 1.0);
    }

    #[test]
    fn what_never_left_leaves_its_room() {
        let start = Instant::now();
        let mut bucket = standard(start);
        for _ in 0..100 {
            assert_eq!(bucket.take(start), Taken::Granted);
            bucket.give_back(start);
        }
    }

    #[test]
    fn refusals_in_a_row_close_it_for_longer_and_longer() {
        let start = Instant::now();
        let mut bucket = standard(start);
        let mut now = start;
        let mut pauses = Vec::new();
        for _ in 0..5 {
            bucket.refused(now);
            let Taken::At(then) = bucket.take(now) else {
                panic!("closed");
            };
            pauses.push((then - now).as_millis());
            now = then;
        }
        assert_eq!(pauses, [500, 1000, 2000, 4000, 4000]);
        bucket.accepted();
        bucket.refused(now);
        assert!(bucket.room(now + Duration::from_secs(1)) > 0.0);
    }
}
