//! Looks at all connections from time to time: for peers that do not read, and for the metrics.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::link::Link;
use super::unread::AllUnread;
use crate::listener::Cause;
use crate::metrics::{Metrics, OpenConnections};

/// How often the connections are looked at.
const LOOK: Duration = Duration::from_millis(250);
const SECOND: Duration = Duration::from_secs(1);

/// The connections that are open. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Links(Arc<Mutex<Open>>);

#[derive(Debug, Default)]
struct Open {
    next: u64,
    links: BTreeMap<u64, Arc<Link>>,
}

/// An open connection, until it is dropped.
#[derive(Debug)]
pub(super) struct Listed {
    number: u64,
    links: Links,
}

impl Links {
    pub(super) fn add(&self, link: &Arc<Link>) -> Listed {
        let mut open = self.open();
        let number = open.next;
        open.next += 1;
        open.links.insert(number, Arc::clone(link));
        let links = self.clone();
        Listed { number, links }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks after the connections for ever. A peer has `limit` to read a response.
    pub(super) async fn sweep(&self, unread: &AllUnread, limit: Duration, metrics: &Metrics) {
        let mut period_ends = Instant::now() + limit / 2;
        let mut second_ends = Instant::now() + SECOND;
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = unread.exceeded() => self.cut_the_largest(unread),
            }
            let now = Instant::now();
            if now >= period_ends {
                period_ends = now + limit / 2;
                unread.next_period();
                self.cut_the_late();
            }
            self.cut_the_blocked(limit);
            if now >= second_ends {
                second_ends = now + SECOND;
                metrics.connections_open(self.look(unread));
            }
        }
    }

    fn look(&self, unread: &AllUnread) -> OpenConnections {
        let mut seen = OpenConnections {
            unread_bytes: unread.bytes(),
            ..OpenConnections::default()
        };
        for link in self.open().links.values() {
            link.allow_cancellations();
            link.peer.credential().forget_idle();
            if link.peer.is_authenticated() {
                seen.authenticated += 1;
            } else {
                seen.unauthenticated += 1;
            }
        }
        seen
    }

    fn cut_the_late(&self) {
        let open = self.open();
        let late = open.links.values().filter(|link| link.unread.is_late());
        late.for_each(|link| link.recall.cut_for(Cause::Unread));
    }

    fn cut_the_blocked(&self, limit: Duration) {
        let open = self.open();
        let blocked = open.links.values();
        blocked
            .filter(|link| link.is_blocked_for(limit))
            .for_each(|link| link.recall.cut_for(Cause::Unread));
    }

    /// Cuts the connections that hold most, until the rest is within the limit.
    fn cut_the_largest(&self, unread: &AllUnread) {
        let open = self.open();
        let mut links: Vec<(usize, &Arc<Link>)> = open
            .links
            .values()
            .map(|link| (link.unread.bytes(), link))
            .collect();
        links.sort_unstable_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
        // Those that were cut a moment ago still hold theirs.
        let mut excess = unread.excess();
        for (bytes, link) in links {
            if excess == 0 {
                break;
            }
            excess = excess.saturating_sub(bytes);
            link.recall.cut_for(Cause::Unread);
        }
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.links.open().links.remove(&self.number);
    }
}
