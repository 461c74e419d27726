//! How fast a method's operating time grows.

/// The longest operating time of a call, in seconds. Source: page "limits".
const LONGEST_CALL: f64 = 60.0;

/// The growth of what is used. It differs from what calls say they took.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Growth {
    from: f64,
    to: f64,
    calls: u32,
    /// Seconds. Includes the calls of other replicas, and is at most [`LONGEST_CALL`].
    pub(super) of_one_call: f64,
}

impl Growth {
    /// Whether only one response is known.
    pub(super) fn is_first(&self) -> bool {
        self.calls == 1
    }

    /// Records what is used when a call has completed and this many others are in flight.
    pub(super) fn note(&mut self, used: f64, in_flight: u32) {
        if self.calls == 0 || used < self.from {
            *self = Self {
                from: used,
                to: used,
                calls: 1,
                of_one_call: 0.0,
            };
            return;
        }
        // Responses of parallel requests arrive in any order.
        self.to = self.to.max(used);
        // All commands of a batch may say the same: the sum of the whole batch.
        if used > self.from {
            self.calls = self.calls.saturating_add(1);
        }
        // Calls in flight have used their part as well: a batch includes what parallel ones used.
        let further = self.calls.saturating_sub(1).saturating_add(in_flight);
        let growth = (self.to - self.from) / f64::from(further.max(1));
        self.of_one_call = growth.min(LONGEST_CALL);
    }
}
