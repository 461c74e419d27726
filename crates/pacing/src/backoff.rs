//! The backoff after a portal rejects a request over its rate limit, and pauses that it asks for.

use std::time::{Duration, Instant};

/// The first backoff after the portal rejects although our bucket had room. Doubled with each
/// rejection in a row: another client at our address uses the same bucket.
const FIRST: Duration = Duration::from_millis(500);

/// The longest backoff: in this time the smallest plan drains eight requests. Rejections further
/// apart than this are not in a row.
const LONGEST: Duration = Duration::from_secs(4);

/// Holds requests back after rejections in a row, and as long as the portal asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Backoff {
    rejections: u32,
    until: Option<Instant>,
    /// The end of the pause that the portal asked for.
    asked: Option<Instant>,
}

impl Backoff {
    /// Its end, if it is running.
    pub(crate) fn until(&self, now: Instant) -> Option<Instant> {
        let until = self.until.max(self.asked);
        until.filter(|until| *until > now)
    }

    /// The portal asks for a pause.
    pub(crate) fn pause(&mut self, lasts: Duration, now: Instant) {
        self.asked = self.asked.max(Some(now + lasts));
    }

    /// The portal accepted a request. That does not end a pause that it asked for: the request may
    /// have been on its way.
    pub(crate) fn accepted(&mut self) {
        self.rejections = 0;
        self.until = None;
    }

    /// One more rejection.
    pub(crate) fn lengthen(&mut self, now: Instant) {
        // Requests that were in flight together are rejected together: they count once.
        if self.until(now).is_some() {
            return;
        }
        if self.until.is_some_and(|until| now > until + LONGEST) {
            self.rejections = 0;
        }
        let backoff = FIRST.saturating_mul(1 << self.rejections.min(6));
        self.rejections += 1;
        self.until = Some(now + backoff.min(LONGEST));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The length of each backoff when rejections come this long after the backoff before.
    fn backoffs(apart: Duration, rejections: usize) -> Vec<f64> {
        let (mut backoff, mut now) = (Backoff::default(), Instant::now());
        let lasting = (0..rejections).map(|_| {
            backoff.lengthen(now);
            let until = backoff.until(now).unwrap();
            let lasts = until - now;
            now = until + apart;
            lasts.as_secs_f64()
        });
        lasting.collect()
    }

    #[test]
    fn backoffs_grow_with_rejections_in_a_row() {
        let backoffs = backoffs(Duration::from_millis(50), 6);
        assert_eq!(backoffs, [0.5, 1.0, 2.0, 4.0, 4.0, 4.0]);
    }

    #[test]
    fn rejections_far_apart_are_not_in_a_row() {
        let backoffs = backoffs(LONGEST + Duration::from_millis(1), 3);
        assert_eq!(backoffs, [0.5, 0.5, 0.5]);
    }

    #[test]
    fn a_pause_that_the_portal_asked_for_lasts_as_long_as_it_said() {
        let (mut backoff, now) = (Backoff::default(), Instant::now());
        backoff.lengthen(now);
        backoff.pause(Duration::from_secs(30), now);
        backoff.pause(Duration::from_secs(5), now);
        backoff.accepted();
        let end = now + Duration::from_secs(30);
        assert_eq!(backoff.until(now), Some(end));
        assert_eq!(backoff.until(end), None);
    }

    #[test]
    fn rejections_side_by_side_are_one() {
        let (mut backoff, now) = (Backoff::default(), Instant::now());
        (0..20).for_each(|_| backoff.lengthen(now));
        assert_eq!(backoff.until(now), Some(now + FIRST));
    }
}
