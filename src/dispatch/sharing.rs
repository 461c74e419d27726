//! One bucket of a portal for several replicas, shared through the database.
//!
//! The portal counts requests when they arrive, we when they are sent, and the replicas do not see each other's. So the
//! database's row of a portal has two parts: the *level*, which drains as the portal's bucket does, and *permits* that
//! replicas hold, which do not. A request is in the second part from before it may leave until it has surely arrived, and
//! then moves into the first.
//!
//! What always holds, with N living replicas:
//!
//! 1. level + all permits held + one for each replica at rest ≤ burst, whenever a permit is given.
//! 2. The portal's own level ≤ level + permits held: what arrived is counted no earlier than it arrived, and what is not
//!    counted yet is held. So the portal refuses nothing, however late permits are used; no margin is needed for that.
//! 3. Nothing is lost at full load either: the sum stays at the burst, so the level drains without a pause, unless all of the burst is
//!    held at once; that is so at the beginning only, for the time of the way (`terms.rs`) and one exchange.
//!
//! A replica at rest has no lease, and one request *on credit*: the first call on a quiet portal waits for nothing, and when
//! its request has arrived one exchange tells of it and renews the credit. Who waits for permits asks; while there are too
//! few, those who wait are served in turn. A replica tells how things are with it, never what has changed, so that an answer that
//! was lost does no harm. Whoever does not speak for 3 seconds (`account.rs`) has stopped using its permits, and they count as
//! used.
//!
//! If the database does not answer in time, every replica has its N-th part of the bucket, full at first (`alone.rs`).
//! That is safe if it is away for all. A replica that alone has lost it goes beyond the whole by that part; then the portal
//! refuses some requests, which are sent again later.

mod account;
mod alone;
mod bucket;
mod exchange;
mod measure;
mod messages;
mod operating;
mod schedule;
#[cfg(test)]
mod simulation;
mod terms;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

pub use self::bucket::SharedBucket;
pub use self::measure::measure;
pub use self::messages::{Ask, Grant, Returned};
use self::operating::Hearsay;
pub use self::operating::{Heard, Report};
use self::schedule::Schedule;
pub use self::terms::Terms;
use super::Taken;
use bitrix24::Intensity;
use store::Budgets;

/// How long a replica that has just started asks before its first request to each portal: until the others know of it and
/// have kept room for its credit.
const NEWCOMER: Duration = Duration::from_secs(10);

/// Whether the replicas can ask each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// They share the portals' budgets.
    Together,
    /// The database does not answer: each has its part.
    Alone,
}

/// What a replica may count on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outlook {
    /// How many requests may go, as far as is known here: some of them only after permits were asked for.
    pub room: f64,
    /// Whether one may go at once.
    pub has_permit: bool,
    /// Its part of the bucket: of the whole if nobody else wants any.
    pub intensity: Intensity,
}

/// The budgets of all portals, shared with the other replicas. Cheap to clone.
#[derive(Clone)]
pub struct Sharing {
    inner: Arc<Inner>,
}

/// A portal's bucket, in the hands of its user.
pub struct PortalBucket {
    inner: Arc<Inner>,
    entry: Arc<Entry>,
    wake: Arc<Wake>,
}

struct Inner {
    budgets: Budgets,
    replica: String,
    living: watch::Receiver<u32>,
    newcomer_until: Instant,
    state: watch::Sender<State>,
    entries: Mutex<Entries>,
    schedule: Schedule,
}

#[derive(Default)]
struct Entries {
    by_portal: HashMap<String, Arc<Entry>>,
    /// How many there have ever been.
    numbers: u64,
    /// Since when the database is away.
    alone_since: Option<Instant>,
}

type Wake = Box<dyn Fn() + Send + Sync>;

struct Entry {
    number: u64,
    portal: String,
    bucket: Mutex<SharedBucket>,
    hearsay: Mutex<Hearsay>,
    wake: Mutex<Option<Arc<Wake>>>,
}

impl Sharing {
    /// Begins to share, until `stop`. `replica` tells this process from the others, `living` how many there are, this one
    /// among them.
    pub fn start(
        budgets: Budgets,
        replica: Uuid,
        living: watch::Receiver<u32>,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        let inner = Arc::new(Inner {
            budgets,
            replica: replica.simple().to_string(),
            living,
            newcomer_until: Instant::now() + NEWCOMER,
            state: watch::Sender::new(State::Together),
            entries: Mutex::default(),
            schedule: Schedule::default(),
        });
        tasks.spawn(exchange::run(inner.clone(), stop));
        Self { inner }
    }

    /// The bucket of a portal. `wake` is called, from another task and with nothing locked, when a permit that was not
    /// [`Taken::Granted`] may be granted now. A portal has one user at a time: a second one's `wake` replaces the first.
    pub fn bucket(
        &self,
        portal: &str,
        intensity: Intensity,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> PortalBucket {
        let inner = self.inner.clone();
        let terms = inner.terms(intensity);
        let mut entries = lock(&inner.entries);
        let (alone_since, number) = (entries.alone_since, entries.numbers);
        entries.numbers += 1;
        let entry = entries.by_portal.entry(portal.to_owned());
        let entry = entry.or_insert_with(|| {
            let now = Instant::now();
            let mut bucket = SharedBucket::new(terms, inner.newcomer_until, now);
            if let Some(since) = alone_since {
                bucket.left_alone(since, now);
            }
            Arc::new(Entry {
                number,
                portal: portal.to_owned(),
                bucket: Mutex::new(bucket),
                hearsay: Mutex::default(),
                wake: Mutex::default(),
            })
        });
        let entry = entry.clone();
        let wake: Arc<Wake> = Arc::new(Box::new(wake));
        *lock(&entry.wake) = Some(wake.clone());
        drop(entries);
        lock(&entry.bucket).agree(terms);
        PortalBucket { inner, entry, wake }
    }

    /// Whether the others can be asked, to be followed.
    pub fn state(&self) -> watch::Receiver<State> {
        self.inner.state.subscribe()
    }

    /// How many replicas live, this one among them.
    pub fn living(&self) -> u32 {
        self.inner.living()
    }
}

impl PortalBucket {
    /// How many requests may go, as far as is known here: some of them only after permits were asked for.
    pub fn room(&self, now: Instant) -> f64 {
        lock(&self.entry.bucket).room(now)
    }

    /// What this replica may count on.
    pub fn outlook(&self, now: Instant) -> Outlook {
        lock(&self.entry.bucket).outlook(now)
    }

    /// Takes a permit for a request that is about to be sent.
    pub fn take(&self, now: Instant) -> Taken {
        self.with(|bucket| bucket.take(now))
    }

    /// The request of a permit has left: the portal may get it from now on.
    pub fn departed(&self, now: Instant) {
        self.with(|bucket| bucket.departed(now));
    }

    /// A permit was not used: its request has not left.
    pub fn give_back(&self, now: Instant) {
        self.with(|bucket| bucket.give_back(now));
    }

    /// The portal has refused a request because there were too many.
    pub fn refused(&self, now: Instant) {
        self.with(|bucket| bucket.refused(now));
    }

    /// So many requests wait for a permit now. To be told again when it changes otherwise than by [`PortalBucket::take`].
    pub fn want(&self, now: Instant, requests: u32) {
        self.with(|bucket| bucket.want(now, requests));
    }

    /// The portal's plan, as it was agreed last.
    pub fn intensity(&self) -> Intensity {
        lock(&self.entry.bucket).terms().intensity
    }

    /// The portal's plan is another one.
    pub fn agree(&self, intensity: Intensity) {
        let terms = self.inner.terms(intensity);
        lock(&self.entry.bucket).agree(terms);
    }

    /// Tells the others what the portal has reported of a method's operating time.
    pub fn report(&self, now: Instant, report: Report) {
        self.with(|bucket| bucket.report(now, report));
    }

    /// What the replicas have told each other of operating times, if it is not what was heard so many times before.
    pub fn heard(&self, now: Instant, times: u64) -> Option<Heard> {
        let living = self.inner.living();
        lock(&self.entry.hearsay).since(times, living, now)
    }

    fn with<T>(&self, act: impl FnOnce(&mut SharedBucket) -> T) -> T {
        let mut bucket = lock(&self.entry.bucket);
        let done = act(&mut bucket);
        // Under the bucket's lock, so that an older time does not replace a newer one.
        self.inner.schedule.set(&self.entry, bucket.due());
        done
    }
}

impl Drop for PortalBucket {
    fn drop(&mut self) {
        {
            let mut wake = lock(&self.entry.wake);
            if !wake
                .as_ref()
                .is_some_and(|wake| Arc::ptr_eq(wake, &self.wake))
            {
                // Somebody else uses the bucket by now.
                return;
            }
            *wake = None;
        }
        self.with(|bucket| bucket.want(Instant::now(), 0));
        self.inner.forget_if_unused(&self.entry);
    }
}

impl Inner {
    fn living(&self) -> u32 {
        (*self.living.borrow()).max(1)
    }

    fn terms(&self, intensity: Intensity) -> Terms {
        let living = self.living();
        Terms { intensity, living }
    }

    /// A bucket that nobody uses is kept as long as the others may wait for word of it.
    fn forget_if_unused(&self, entry: &Arc<Entry>) {
        let mut entries = lock(&self.entries);
        let is_unused = lock(&entry.wake).is_none();
        let is_at_rest = lock(&entry.bucket).is_at_rest(Instant::now());
        if is_unused && is_at_rest && entries.alone_since.is_none() {
            entries.by_portal.remove(&entry.portal);
        }
    }
}

impl fmt::Debug for Sharing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let replica = &self.inner.replica;
        f.debug_struct("Sharing")
            .field("replica", replica)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for PortalBucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let portal = &self.entry.portal;
        f.debug_struct("PortalBucket")
            .field("portal", portal)
            .finish_non_exhaustive()
    }
}

/// Nothing that is done under these locks leaves things half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
