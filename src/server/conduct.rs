//! How the peer of a connection has behaved: its calls without a valid credential, its watches.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::shares::Shares;
use crate::call::Holdings;

/// What a connection may spare of its allowance, and how far it may overdraw it: as many refusals
/// as the allowance of this time.
const SPAN: Duration = Duration::from_secs(1);

/// Refusals that may have been on their way when the connection was told to end.
const LAST: u32 = 100;

/// One connection.
#[derive(Debug, Default)]
pub(super) struct Conduct {
    refusals: Mutex<Refusals>,
    watches: AtomicUsize,
    /// The caller of the latest call: mostly that of the next one.
    caller: Mutex<Option<(Box<str>, Arc<Holdings>)>>,
}

#[derive(Debug, Default)]
struct Refusals {
    /// The allowance is spent until then.
    spent_until: Option<Instant>,
    exceeded_at: Option<Instant>,
    since_exceeded: u32,
}

/// When to answer a call that is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Now,
    At(Instant),
    /// Now, and the connection is to end: for the `first` time.
    Leave {
        first: bool,
    },
    /// Now, and the connection, which was to end and goes on, is to be cut.
    Cut,
}

/// An open `Watch` stream of health.
#[derive(Debug)]
pub(super) struct WatchOfConnection(Arc<Conduct>);

impl Conduct {
    /// A call is refused that has no valid credential, or is none of gRPC. A connection may have so
    /// many each second; as many again are answered late.
    pub(super) fn refuse(&self, now: Instant, per_second: u32) -> Turn {
        let mut refusals = lock(&self.refusals);
        if let Some(exceeded_at) = refusals.exceeded_at {
            refusals.since_exceeded += 1;
            return if now < exceeded_at + SPAN && refusals.since_exceeded <= LAST {
                Turn::Leave { first: false }
            } else {
                Turn::Cut
            };
        }
        let spent_until = refusals.spent_until.map_or(now, |until| until.max(now));
        let overdrawn = (spent_until - now).saturating_sub(SPAN);
        if overdrawn >= SPAN {
            refusals.exceeded_at = Some(now);
            return Turn::Leave { first: true };
        }
        refusals.spent_until = Some(spent_until + SPAN / per_second);
        if overdrawn.is_zero() {
            Turn::Now
        } else {
            Turn::At(now + overdrawn)
        }
    }

    /// Opens a watch, if the connection has fewer than `maximum`.
    pub(super) fn watch(self: &Arc<Self>, maximum: usize) -> Option<WatchOfConnection> {
        let watches = self.watches.fetch_add(1, Ordering::Relaxed);
        let watch = WatchOfConnection(Arc::clone(self));
        (watches < maximum).then_some(watch)
    }

    /// What the caller of this name holds.
    pub(super) fn caller(&self, name: &str, shares: &Shares) -> Arc<Holdings> {
        let mut latest = lock(&self.caller);
        match &*latest {
            Some((known, holdings)) if **known == *name => Arc::clone(holdings),
            Some(_) | None => {
                let holdings = shares.of(name);
                *latest = Some((name.into(), Arc::clone(&holdings)));
                holdings
            }
        }
    }
}

impl Drop for WatchOfConnection {
    fn drop(&mut self) {
        self.0.watches.fetch_sub(1, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_answered_at_once_then_late_and_then_the_connection_ends() {
        let conduct = Conduct::default();
        let now = Instant::now();
        let turns: Vec<Turn> = (0..30).map(|_| conduct.refuse(now, 10)).collect();
        let late = |turn: &Turn| matches!(turn, Turn::At(at) if *at > now && *at <= now + SPAN);
        assert!(
            turns[..10].iter().all(|turn| *turn == Turn::Now),
            "{turns:?}"
        );
        assert!(turns[11..20].iter().all(late), "{turns:?}");
        assert!(
            turns[21..]
                .iter()
                .all(|turn| matches!(turn, Turn::Leave { .. }))
        );
        assert_eq!(conduct.refuse(now + SPAN, 10), Turn::Cut);
        let many: Vec<Turn> = (0..200).map(|_| conduct.refuse(now, 10)).collect();
        assert_eq!(many.last(), Some(&Turn::Cut));
    }

    #[test]
    fn a_peer_that_keeps_to_the_allowance_is_always_answered_at_once() {
        let conduct = Conduct::default();
        let begun = Instant::now();
        for tenth in 0..1000 {
            let now = begun + tenth * SPAN / 10;
            assert_eq!(conduct.refuse(now, 10), Turn::Now);
        }
    }

    #[test]
    fn a_connection_has_so_many_watches_at_once() {
        let conduct = Arc::new(Conduct::default());
        let first = conduct.watch(2).unwrap();
        let _second = conduct.watch(2).unwrap();
        assert!(conduct.watch(2).is_none());
        drop(first);
        assert!(conduct.watch(2).is_some());
    }
}
