//! A replica's part of a portal's bucket while it cannot ask the others.

use tokio::time::Instant;

use super::terms::Terms;

/// The part: as many requests of the burst, and as much of what drains, as there are replicas. Whatever the others have sent
/// before, the parts together are no more than the whole, because each is full at first.
#[derive(Debug)]
pub(super) struct Alone {
    part: Terms,
    burst: f64,
    level: f64,
    at: Instant,
    pub(super) since: Instant,
    /// Requests that have arrived since.
    pub(super) spent: u64,
    /// The credit that the others keep for this replica, if they do.
    pub(super) credit: Option<Instant>,
}

impl Alone {
    /// A part that is full, `out` of it with permits that are out or were on credit.
    pub(super) fn new(terms: Terms, out: f64, credit: Option<Instant>, since: Instant) -> Self {
        let burst = terms.part_burst();
        Self {
            part: terms.part(),
            burst,
            level: (burst - out).max(0.0),
            at: since,
            since,
            spent: 0,
            credit,
        }
    }

    pub(super) fn level(&mut self, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(self.at);
        self.level = (self.level - self.part.drained(passed)).max(0.0);
        self.at = self.at.max(now);
        self.level
    }

    /// How many requests may go beside those that are out.
    pub(super) fn room(&mut self, out: f64, now: Instant) -> f64 {
        self.burst - self.level(now) - out
    }

    /// When one more may go; None: now.
    pub(super) fn wait(&mut self, out: f64, now: Instant) -> Option<Instant> {
        let missing = 1.0 - self.room(out, now);
        if missing <= 0.0 {
            return None;
        }
        // What is out does not drain yet; it is looked at again when it may have arrived.
        let wait = self.part.time_for(missing.min(self.level.max(0.0)));
        Some(now + wait.max(self.part.pause()))
    }

    pub(super) fn arrived(&mut self, now: Instant) {
        self.level(now);
        self.level += 1.0;
        self.spent += 1;
    }

    pub(super) fn refused(&mut self, now: Instant) {
        self.level(now);
        self.level = self.level.max(self.burst);
    }
}
