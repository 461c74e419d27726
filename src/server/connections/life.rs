//! When a connection ends by itself.

use std::time::Duration;

use tokio::time::Instant;

use crate::metrics::ConnectionEnd;

/// How long a peer may take to confirm that it has heard of the end, before a connection without
/// calls is cut: some round trips.
const GOODBYE: Duration = Duration::from_secs(1);
/// How often a connection that is to end is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// The times of one connection.
#[derive(Debug)]
pub(super) struct Life {
    authenticate_by: Option<Instant>,
    age: Instant,
    /// How long calls may go on after the connection was told to end.
    grace: Duration,
    leaving: Option<Leaving>,
}

#[derive(Debug)]
struct Leaving {
    end: ConnectionEnd,
    grace: Duration,
    cut_at: Instant,
    quiet_since: Option<Instant>,
    look_at: Instant,
}

/// What is seen of the connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) is_authenticated: bool,
    /// Nothing is lost if it ends.
    pub(super) is_quiet: bool,
    /// A stream has items, so that it may outlast the age of its connection.
    pub(super) has_items: bool,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Wait,
    /// Tell the peer that the connection ends.
    Leave,
    Cut(ConnectionEnd),
}

impl Life {
    pub(super) fn new(
        now: Instant,
        unauthenticated: Duration,
        age: Duration,
        grace: Duration,
    ) -> Self {
        Self {
            authenticate_by: Some(now + unauthenticated),
            age: now + age,
            grace,
            leaving: None,
        }
    }

    /// When to look again.
    pub(super) fn next(&self) -> Instant {
        match &self.leaving {
            Some(leaving) => leaving.look_at,
            None => self.authenticate_by.map_or(self.age, |by| by.min(self.age)),
        }
    }

    /// The peer is told that the connection ends.
    pub(super) fn leave(&mut self, end: ConnectionEnd, now: Instant) {
        self.leaving.get_or_insert(Leaving {
            end,
            grace: self.grace,
            cut_at: now + self.grace,
            quiet_since: None,
            look_at: now + LOOK,
        });
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.is_some()
    }

    /// How it ended, if it has ended without being cut.
    pub(super) fn end(&self) -> ConnectionEnd {
        self.leaving
            .as_ref()
            .map_or(ConnectionEnd::Closed, |leaving| leaving.end)
    }

    /// Looks at the connection.
    pub(super) fn look(&mut self, now: Instant, seen: Seen) -> Step {
        if let Some(leaving) = &mut self.leaving {
            return leaving.look(now, seen);
        }
        if self.authenticate_by.is_some_and(|by| now >= by) {
            self.authenticate_by = None;
            if !seen.is_authenticated {
                self.leave(ConnectionEnd::Unauthenticated, now);
                return Step::Leave;
            }
        }
        if now >= self.age {
            self.leave(ConnectionEnd::Age, now);
            return Step::Leave;
        }
        Step::Wait
    }
}

impl Leaving {
    fn look(&mut self, now: Instant, seen: Seen) -> Step {
        self.look_at = now + LOOK;
        if seen.has_items && self.end == ConnectionEnd::Age {
            // Its other calls have ended or will: there are no new ones.
            self.cut_at = now + self.grace;
        }
        if now >= self.cut_at {
            return Step::Cut(ConnectionEnd::Lifetime);
        }
        if !seen.is_quiet {
            self.quiet_since = None;
        } else if now >= *self.quiet_since.get_or_insert(now) + GOODBYE {
            return Step::Cut(self.end);
        }
        Step::Wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    const QUIET: Seen = Seen {
        is_authenticated: true,
        is_quiet: true,
        has_items: false,
    };
    const CALLS: Seen = Seen {
        is_quiet: false,
        ..QUIET
    };
    const ITEMS: Seen = Seen {
        has_items: true,
        ..CALLS
    };

    fn life(now: Instant) -> Life {
        Life::new(now, 30 * SECOND, 300 * SECOND, 60 * SECOND)
    }

    #[test]
    fn a_stranger_leaves_early_and_a_caller_at_its_age() {
        let now = Instant::now();
        const STRANGER: Seen = Seen {
            is_authenticated: false,
            ..QUIET
        };
        let mut stranger = life(now);
        assert_eq!(stranger.next(), now + 30 * SECOND);
        assert_eq!(stranger.look(now + 30 * SECOND, STRANGER), Step::Leave);
        let mut caller = life(now);
        assert_eq!(caller.look(now + 30 * SECOND, QUIET), Step::Wait);
        assert_eq!(caller.next(), now + 300 * SECOND);
        assert_eq!(caller.look(now + 300 * SECOND, CALLS), Step::Leave);
        assert_eq!(caller.end(), ConnectionEnd::Age);
    }

    #[test]
    fn calls_keep_a_leaving_connection_until_its_lifetime_ends() {
        let now = Instant::now();
        let mut life = life(now);
        life.leave(ConnectionEnd::Age, now);
        assert_eq!(life.look(now + 59 * SECOND, CALLS), Step::Wait);
        let cut = Step::Cut(ConnectionEnd::Lifetime);
        assert_eq!(life.look(now + 60 * SECOND, CALLS), cut);
    }

    #[test]
    fn items_of_streams_keep_a_connection_beyond_its_age_and_not_beyond_a_stop() {
        let now = Instant::now();
        let (mut aged, mut stopped) = (life(now), life(now));
        aged.leave(ConnectionEnd::Age, now);
        stopped.leave(ConnectionEnd::Stop, now);
        let cut = Step::Cut(ConnectionEnd::Lifetime);
        assert_eq!(stopped.look(now + 60 * SECOND, ITEMS), cut);
        assert_eq!(aged.look(now + 3600 * SECOND, ITEMS), Step::Wait);
        assert_eq!(aged.look(now + 3659 * SECOND, CALLS), Step::Wait);
        assert_eq!(aged.look(now + 3660 * SECOND, CALLS), cut);
    }

    #[test]
    fn without_calls_a_leaving_connection_is_cut_after_a_moment() {
        let now = Instant::now();
        let mut life = life(now);
        life.leave(ConnectionEnd::Stop, now);
        assert_eq!(life.look(now, QUIET), Step::Wait);
        assert_eq!(life.look(now + SECOND / 2, CALLS), Step::Wait);
        assert_eq!(life.look(now + SECOND, QUIET), Step::Wait);
        let cut = Step::Cut(ConnectionEnd::Stop);
        assert_eq!(life.look(now + 2 * SECOND, QUIET), cut);
    }
}
