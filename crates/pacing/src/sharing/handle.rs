//! A shared bucket in the hands of its user.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::bucket::{Outlook, SharedBucket};
use super::reports::{OperatingReport, ReportUpdate};
use crate::{RateLimit, Taken};

/// A portal's bucket as its user sees it. The exchange with the other replicas uses the same bucket
/// behind its lock.
pub struct PortalBucket {
    bucket: Arc<Mutex<SharedBucket>>,
    /// Called under the bucket's lock, so that an older time cannot replace a newer one.
    set_due: Box<dyn Fn(Option<Instant>) + Send + Sync>,
}

impl PortalBucket {
    /// Wraps a bucket. `set_due` is told when the bucket's next exchange is due; it is called under
    /// the bucket's lock, and dropped with the handle.
    pub fn new(
        bucket: Arc<Mutex<SharedBucket>>,
        set_due: impl Fn(Option<Instant>) + Send + Sync + 'static,
    ) -> Self {
        Self {
            bucket,
            set_due: Box::new(set_due),
        }
    }

    /// How many requests may go, as far as this replica knows: for some of them it must ask for
    /// permits first.
    pub fn room(&self, now: Instant) -> f64 {
        lock(&self.bucket).room(now)
    }

    /// What this replica may count on.
    pub fn outlook(&self, now: Instant) -> Outlook {
        lock(&self.bucket).outlook(now)
    }

    /// Takes a permit for a request that is about to be sent.
    pub fn take(&self, now: Instant) -> Taken {
        self.with(|bucket| bucket.take(now))
    }

    /// Whether a permit could be taken after this many others. Takes none, and asks for one if
    /// there is none.
    pub fn offer(&self, after: u32, now: Instant) -> Taken {
        self.with(|bucket| bucket.offer(after, now))
    }

    /// The request of a permit was sent: the portal may receive it from now on.
    pub fn sent(&self, now: Instant) {
        self.with(|bucket| bucket.sent(now));
    }

    /// A permit was not used: its request was not sent.
    pub fn release(&self, now: Instant) {
        self.with(|bucket| bucket.release(now));
    }

    /// The portal rejected a request over its rate limit.
    pub fn rejected(&self, now: Instant) {
        self.with(|bucket| bucket.rejected(now));
    }

    /// This many requests wait for a permit now. To be called again when the number changes
    /// otherwise than by [`PortalBucket::take`].
    pub fn want(&self, now: Instant, requests: u32) {
        self.with(|bucket| bucket.want(now, requests));
    }

    /// The portal's rate limit, as it was set last.
    pub fn limit(&self) -> RateLimit {
        lock(&self.bucket).config().limit
    }

    /// Changes the portal's rate limit.
    pub fn set_limit(&self, limit: RateLimit) {
        let mut bucket = lock(&self.bucket);
        let config = super::BucketConfig {
            limit,
            ..bucket.config()
        };
        bucket.configure(config);
    }

    /// Reports to the other replicas what the portal said of a method's operating time.
    pub fn report(&self, now: Instant, report: OperatingReport) {
        self.with(|bucket| bucket.report(now, report));
    }

    /// What the replicas reported to each other of operating times, if it is not this version.
    pub fn reports_since(&self, version: u64, now: Instant) -> Option<ReportUpdate> {
        lock(&self.bucket).reports_since(version, now)
    }

    fn with<T>(&self, act: impl FnOnce(&mut SharedBucket) -> T) -> T {
        let mut bucket = lock(&self.bucket);
        let done = act(&mut bucket);
        (self.set_due)(bucket.due());
        done
    }
}

impl fmt::Debug for PortalBucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PortalBucket")
            .field("bucket", &self.bucket)
            .finish_non_exhaustive()
    }
}

/// Locks a mutex whose value is whole even after a panic.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
