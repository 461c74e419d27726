//! The pause after a portal's refusal.

use std::time::Duration;

use tokio::time::Instant;

/// How long nothing is sent after the portal has refused although we saw room, at first. Doubled with each refusal in a row: somebody
/// else at our address uses the same bucket.
const FIRST: Duration = Duration::from_millis(500);

/// The longest pause.
const LONGEST: Duration = Duration::from_secs(30);

/// Keeps requests back after refusals in a row.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pause {
    refusals: u32,
    until: Option<Instant>,
}

impl Pause {
    /// The end of the pause, if there is one.
    #[must_use]
    pub(super) fn until(&self, now: Instant) -> Option<Instant> {
        self.until.filter(|until| *until > now)
    }

    /// One more refusal.
    pub(super) fn lengthen(&mut self, now: Instant) {
        // Requests that were sent side by side are refused side by side: that is one reason to pause, not many.
        if self.until(now).is_some() {
            return;
        }
        let pause = FIRST.saturating_mul(1 << self.refusals.min(6));
        self.refusals += 1;
        self.until = Some(now + pause.min(LONGEST));
    }
}
