//! The shared buckets of this replica, by portal.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::sync::watch;

use super::schedule::Schedule;
use pacing::RateLimit;
use pacing::sharing::{BucketConfig, SharedBucket, lock};
use store::{Budgets, KnownAccount};

/// Whether the replicas can exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SharingState {
    /// They share the portals' rate limits.
    Shared,
    /// The database does not respond: each uses its part.
    Isolated,
}

pub(super) struct Registry {
    pub(super) budgets: Budgets,
    pub(super) replica: String,
    living: watch::Receiver<u32>,
    newcomer_until: Instant,
    pub(super) state: watch::Sender<SharingState>,
    /// How many asks there have been.
    asks: AtomicU64,
    entries: Mutex<Entries>,
    pub(super) schedule: Schedule<Entry>,
}

#[derive(Default)]
struct Entries {
    by_portal: HashMap<String, Arc<Entry>>,
    /// How many there have been.
    numbers: u64,
    /// Set while this replica is isolated.
    isolated_since: Option<Instant>,
}

pub(super) struct Entry {
    pub(super) number: u64,
    pub(super) portal: String,
    pub(super) bucket: Arc<Mutex<SharedBucket>>,
    /// The portal's account after the last exchange.
    pub(super) known: Mutex<Option<KnownAccount>>,
    wake: Mutex<Option<Arc<Wake>>>,
}

type Wake = Box<dyn Fn() + Send + Sync>;

impl Registry {
    pub(super) fn new(
        budgets: Budgets,
        replica: String,
        living: watch::Receiver<u32>,
        newcomer_until: Instant,
    ) -> Self {
        Self {
            budgets,
            replica,
            living,
            newcomer_until,
            state: watch::Sender::new(SharingState::Shared),
            asks: AtomicU64::new(0),
            entries: Mutex::default(),
            schedule: Schedule::default(),
        }
    }

    pub(super) fn living(&self) -> u32 {
        (*self.living.borrow()).max(1)
    }

    /// The number of the next ask.
    pub(super) fn next_ask(&self) -> u64 {
        self.asks.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(super) fn config(&self, limit: RateLimit) -> BucketConfig {
        let living = self.living();
        BucketConfig { limit, living }
    }

    /// The entry of a portal, which `wake` uses from now on.
    fn entry(&self, portal: &str, limit: RateLimit, wake: &Arc<Wake>) -> Arc<Entry> {
        let config = self.config(limit);
        let mut entries = lock(&self.entries);
        let (isolated_since, number) = (entries.isolated_since, entries.numbers);
        entries.numbers += 1;
        let entry = entries.by_portal.entry(portal.to_owned());
        let entry = entry.or_insert_with(|| {
            let now = now();
            let mut bucket = SharedBucket::new(config, self.newcomer_until, now);
            if let Some(since) = isolated_since {
                bucket.isolate(since, now);
            }
            Arc::new(Entry {
                number,
                portal: portal.to_owned(),
                bucket: Arc::new(Mutex::new(bucket)),
                known: Mutex::default(),
                wake: Mutex::default(),
            })
        });
        let entry = entry.clone();
        *lock(&entry.wake) = Some(wake.clone());
        drop(entries);
        lock(&entry.bucket).configure(config);
        entry
    }

    pub(super) fn set_due(&self, entry: &Arc<Entry>, due: Option<Instant>) {
        self.schedule.set(entry.number, entry, due);
    }

    /// All entries, after noting whether this replica is isolated.
    pub(super) fn set_isolated(&self, since: Option<Instant>) -> Vec<Arc<Entry>> {
        let mut entries = lock(&self.entries);
        entries.isolated_since = since;
        entries.by_portal.values().cloned().collect()
    }

    pub(super) fn entries(&self) -> Vec<Arc<Entry>> {
        lock(&self.entries).by_portal.values().cloned().collect()
    }

    /// Forgets a bucket without a user, unless an exchange is due.
    pub(super) fn forget_if_unused(&self, entry: &Arc<Entry>) {
        let mut entries = lock(&self.entries);
        let is_unused = lock(&entry.wake).is_none();
        let is_idle = lock(&entry.bucket).is_idle(now());
        if is_unused && is_idle && entries.isolated_since.is_none() {
            entries.by_portal.remove(&entry.portal);
        }
    }
}

impl Entry {
    /// Wakes its user.
    pub(super) fn wake(&self) {
        let wake = lock(&self.wake).clone();
        if let Some(wake) = wake {
            wake();
        }
    }
}

/// The user of a portal's bucket. Dropping it leaves the bucket to the next user.
pub(super) struct User {
    registry: Arc<Registry>,
    entry: Arc<Entry>,
    wake: Arc<Wake>,
}

impl User {
    pub(super) fn new(
        registry: &Arc<Registry>,
        portal: &str,
        limit: RateLimit,
        wake: Wake,
    ) -> Self {
        let wake = Arc::new(wake);
        Self {
            registry: registry.clone(),
            entry: registry.entry(portal, limit, &wake),
            wake,
        }
    }

    pub(super) fn bucket(&self) -> Arc<Mutex<SharedBucket>> {
        self.entry.bucket.clone()
    }

    pub(super) fn set_due(&self, due: Option<Instant>) {
        self.registry.set_due(&self.entry, due);
    }
}

impl Drop for User {
    fn drop(&mut self) {
        {
            let mut wake = lock(&self.entry.wake);
            let is_own = |wake: &Arc<Wake>| Arc::ptr_eq(wake, &self.wake);
            if !wake.as_ref().is_some_and(is_own) {
                // The bucket has another user by now.
                return;
            }
            *wake = None;
        }
        {
            let mut bucket = lock(&self.entry.bucket);
            bucket.want(now(), 0);
            self.set_due(bucket.due());
        }
        self.registry.forget_if_unused(&self.entry);
    }
}

/// The time by tokio's clock, which tests pause.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
