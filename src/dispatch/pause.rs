//! The pause after a portal's refusal.

use std::time::Duration;

use tokio::time::Instant;

/// How long nothing is sent after the portal has refused although we saw room, at first. Doubled with each refusal in a row: somebody
/// else at our address uses the same bucket.
const FIRST: Duration = Duration::from_millis(500);

/// The longest pause: in this time the smallest plan drains eight requests. Refusals further apart than this are not in a row.
const LONGEST: Duration = Duration::from_secs(4);

/// Keeps requests back after refusals in a row.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pause {
    refusals: u32,
    until: Option<Instant>,
}

impl Pause {
    /// The end of the pause, if there is one.
    pub(super) fn until(&self, now: Instant) -> Option<Instant> {
        self.until.filter(|until| *until > now)
    }

    /// One more refusal.
    pub(super) fn lengthen(&mut self, now: Instant) {
        // Requests that were sent side by side are refused side by side: that is one reason to pause, not many.
        if self.until(now).is_some() {
            return;
        }
        if self.until.is_some_and(|until| now > until + LONGEST) {
            self.refusals = 0;
        }
        let pause = FIRST.saturating_mul(1 << self.refusals.min(6));
        self.refusals += 1;
        self.until = Some(now + pause.min(LONGEST));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long each pause lasts when refusals come, each so long after the pause before it.
    fn pauses(apart: Duration, refusals: usize) -> Vec<f64> {
        let (mut pause, mut now) = (Pause::default(), Instant::now());
        let lasting = (0..refusals).map(|_| {
            pause.lengthen(now);
            let until = pause.until(now).unwrap();
            let lasts = until - now;
            now = until + apart;
            lasts.as_secs_f64()
        });
        lasting.collect()
    }

    #[test]
    fn pauses_grow_with_refusals_in_a_row() {
        let pauses = pauses(Duration::from_millis(50), 6);
        assert_eq!(pauses, [0.5, 1.0, 2.0, 4.0, 4.0, 4.0]);
    }

    #[test]
    fn refusals_far_apart_are_not_in_a_row() {
        let pauses = pauses(LONGEST + Duration::from_millis(1), 3);
        assert_eq!(pauses, [0.5, 0.5, 0.5]);
    }

    #[test]
    fn refusals_side_by_side_are_one() {
        let (mut pause, now) = (Pause::default(), Instant::now());
        (0..20).for_each(|_| pause.lengthen(now));
        assert_eq!(pause.until(now), Some(now + FIRST));
    }
}
