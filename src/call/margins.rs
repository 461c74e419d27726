//! Who answers when, around the deadline of a call, so that the caller gets our response and not
//! the bare DEADLINE_EXCEEDED of its own library:
//!
//! ```text
//! the call's deadline
//!   + LAST_WORD   the request that was given up says what became of it, or the dispatcher answers
//!   + GRACE       the layer around the call answers in its place
//!   + lead        the caller's own deadline
//! ```

use std::time::Duration;

/// How long after a call's deadline the request that is given up may take to say whether it was
/// sent. Then the dispatcher answers without it.
pub(crate) const LAST_WORD: Duration = Duration::from_millis(2);

/// How long after a call's deadline the layer answers in its place, which should never happen.
pub(crate) const GRACE: Duration = Duration::from_millis(3);

/// The bounds of [`lead`]. The time left is counted from the arrival of the call, so the lead has
/// to last for both ways through the network, and for two busy programs: 40 ms between neighbouring
/// countries, a quarter of a second around the world.
const SHORTEST_LEAD: Duration = Duration::from_millis(80);
const LONGEST_LEAD: Duration = Duration::from_millis(250);

/// One in so many parts of the caller's deadline is its lead: 5 %.
const PARTS: u32 = 20;

const _: () = assert!(
    LAST_WORD.as_micros() < GRACE.as_micros()
        && GRACE.as_micros() < SHORTEST_LEAD.as_micros()
        && SHORTEST_LEAD.as_micros() < LONGEST_LEAD.as_micros(),
    "each answers before the next one does"
);

/// How much earlier than the deadline that the caller has given the call has to end. A call with
/// hardly any time keeps half of it.
pub(crate) fn lead(given: Duration) -> Duration {
    (given / PARTS)
        .clamp(SHORTEST_LEAD, LONGEST_LEAD)
        .min(given / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lead_is_a_share_of_the_deadline_within_bounds() {
        for (given, expected) in [
            (60_000, 250),
            (8_000, 250),
            (2_000, 100),
            (1_000, 80),
            (200, 80),
            (100, 50),
            (10, 5),
            (0, 0),
        ] {
            let lead = lead(Duration::from_millis(given));
            assert_eq!(lead, Duration::from_millis(expected), "{given}");
        }
    }
}
