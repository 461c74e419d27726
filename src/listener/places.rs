//! The places of a port: how many connections it has, and which one gives way when all are taken.
//!
//! A peer that finds every place taken is refused at once: its client then tries another replica,
//! while one that waits in the kernel's queue believes that it is connected. Before that the oldest
//! connection that has not been kept gives way, so strangers take places from each other only
//! (docs/adr/0026).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::recall::{Cause, Recall};

/// How long a connection has its place for certain: enough for a handshake and a first call, so
/// that many clients who connect at once do not drive out each other.
const SURE: Duration = Duration::from_millis(500);

/// The places of a port. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Places(Arc<Shared>);

struct Shared {
    maximum: usize,
    most_evictable: usize,
    open: Mutex<Open>,
    freed: Notify,
    refused: Box<dyn Fn() + Send + Sync>,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    /// Those that give way, the oldest first.
    evictable: BTreeMap<u64, (Instant, Arc<Recall>)>,
    kept: BTreeMap<u64, Arc<Recall>>,
    /// Those that were told to give way, and have not ended.
    evicted: usize,
}

/// The place of one connection, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    keeper: Keeper,
    recall: Arc<Recall>,
}

/// Makes a connection keep its place.
#[derive(Clone, Debug)]
pub(crate) struct Keeper {
    id: u64,
    shared: Arc<Shared>,
    /// Counts those that keep theirs.
    kept: Arc<AtomicUsize>,
}

/// What a new connection finds.
enum Found {
    Place(Place),
    /// One ends, or may give way from then on.
    Wait(Option<Instant>),
    Full,
}

impl Places {
    /// As many places as `maximum`, of which `most_evictable` are for connections that give way.
    /// `refused` hears of each connection that gets none.
    pub(crate) fn new(
        maximum: usize,
        most_evictable: usize,
        refused: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Shared {
            maximum,
            most_evictable,
            open: Mutex::default(),
            freed: Notify::new(),
            refused: Box::new(refused),
        }))
    }

    /// A place for a new connection; none if all are taken by connections that keep theirs.
    pub(crate) async fn take(&self) -> Option<Place> {
        loop {
            match self.find() {
                Found::Place(place) => return Some(place),
                Found::Wait(None) => self.0.freed.notified().await,
                Found::Wait(Some(until)) => {
                    // Either will do.
                    let _ = tokio::time::timeout_at(until, self.0.freed.notified()).await;
                }
                Found::Full => {
                    (self.0.refused)();
                    return None;
                }
            }
        }
    }

    fn find(&self) -> Found {
        let shared = &self.0;
        let now = Instant::now();
        let mut open = shared.open();
        let is_free = open.len() < shared.maximum && open.evictable.len() < shared.most_evictable;
        if is_free {
            let recall = Arc::new(Recall::default());
            let id = open.next;
            open.next += 1;
            open.evictable.insert(id, (now, Arc::clone(&recall)));
            let shared = Arc::clone(shared);
            let kept = Arc::default();
            let keeper = Keeper { id, shared, kept };
            return Found::Place(Place { keeper, recall });
        }
        if open.evicted > 0 {
            return Found::Wait(None);
        }
        let Some(oldest) = open.evictable.first_entry() else {
            return Found::Full;
        };
        let until = oldest.get().0 + SURE;
        if now < until {
            return Found::Wait(Some(until));
        }
        let (_, recall) = oldest.remove();
        open.evicted += 1;
        recall.cut_for(Cause::Evicted);
        Found::Wait(None)
    }

    /// Tells every connection to end when its calls have.
    pub(crate) fn stop(&self) {
        let open = self.0.open();
        open.recalls()
            .for_each(|recall| recall.leave_for(Cause::Stop));
    }

    /// Tells every connection to end at once.
    pub(crate) fn cut(&self) {
        let open = self.0.open();
        open.recalls()
            .for_each(|recall| recall.cut_for(Cause::Stop));
    }
}

impl Open {
    fn len(&self) -> usize {
        self.evictable.len() + self.kept.len() + self.evicted
    }

    fn recalls(&self) -> impl Iterator<Item = &Arc<Recall>> {
        let evictable = self.evictable.values().map(|(_, recall)| recall);
        evictable.chain(self.kept.values())
    }
}

impl Place {
    /// Counts the connection here while it keeps its place. To be called before it has a keeper.
    pub(crate) fn count_kept(&mut self, kept: Arc<AtomicUsize>) {
        self.keeper.kept = kept;
    }

    pub(crate) fn recall(&self) -> Arc<Recall> {
        Arc::clone(&self.recall)
    }

    pub(crate) fn keeper(&self) -> Keeper {
        self.keeper.clone()
    }
}

impl Keeper {
    /// From now on the connection does not give way.
    pub(crate) fn keep(&self) {
        let mut open = self.shared.open();
        if let Some((_, recall)) = open.evictable.remove(&self.id) {
            open.kept.insert(self.id, recall);
            drop(open);
            self.kept.fetch_add(1, Ordering::Relaxed);
            // One more may come that gives way.
            self.shared.freed.notify_one();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Keeper { id, shared, kept } = &self.keeper;
        let mut open = shared.open();
        if open.kept.remove(id).is_some() {
            kept.fetch_sub(1, Ordering::Relaxed);
        } else if open.evictable.remove(id).is_none() {
            open.evicted = open.evicted.saturating_sub(1);
        }
        drop(open);
        shared.freed.notify_one();
    }
}

impl Shared {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Places")
            .field("maximum", &self.maximum)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_oldest_that_is_not_kept_gives_way_and_is_awaited() {
        let places = Places::new(3, 3, || panic!("refused"));
        let kept = places.take().await.unwrap();
        kept.keeper().keep();
        let (oldest, newer) = (places.take().await.unwrap(), places.take().await.unwrap());
        let mut taking = std::pin::pin!(places.take());
        assert!(taking.as_mut().now_or_never().is_none());
        assert_eq!(oldest.recall().is_cut(), None, "it is too young");
        tokio::time::advance(SURE).await;
        assert!(taking.as_mut().now_or_never().is_none());
        assert_eq!(oldest.recall().is_cut(), Some(Cause::Evicted));
        assert_eq!(kept.recall().is_cut(), None);
        assert_eq!(newer.recall().is_cut(), None);
        drop(oldest);
        assert!(taking.now_or_never().is_some());
    }

    #[tokio::test]
    async fn nobody_gets_a_place_that_is_kept() {
        let refused = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&refused);
        let places = Places::new(1, 1, move || {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        let kept = places.take().await.unwrap();
        kept.keeper().keep();
        assert!(places.take().await.is_none());
        assert_eq!(refused.load(Ordering::Relaxed), 1);
        drop(kept);
        assert!(places.take().await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn those_that_give_way_do_not_take_all_places() {
        let places = Places::new(3, 1, || panic!("refused"));
        let first = places.take().await.unwrap();
        let mut taking = std::pin::pin!(places.take());
        assert!(taking.as_mut().now_or_never().is_none());
        first.keeper().keep();
        let second = taking.now_or_never().unwrap();
        assert_eq!(first.recall().is_cut(), None);
        drop(second);
        assert!(places.take().now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_stop_reaches_those_that_are_kept_and_those_that_are_not() {
        let places = Places::new(2, 2, || {});
        let (kept, other) = (places.take().await.unwrap(), places.take().await.unwrap());
        kept.keeper().keep();
        places.stop();
        assert_eq!(kept.recall().any().await, Cause::Stop);
        assert_eq!(other.recall().leaves(), Some(Cause::Stop));
        assert_eq!(other.recall().is_cut(), None);
    }
}
