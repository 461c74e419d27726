//! Shares the portals' rate limits with other replicas, through the database. The rules are those
//! of [`pacing::sharing`].

mod backoff;
mod exchange;
mod measure;
mod patience;
mod registry;
mod schedule;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

pub(crate) use self::measure::measure;
pub use self::registry::SharingState;
use self::registry::{Registry, User};
use crate::tasks::Tasks;
use pacing::RateLimit;
use pacing::sharing::PortalBucket;
use store::Budgets;

/// How long a replica that has just started asks before its first request to each portal: until the
/// others know of it and keep room for its credit.
const NEWCOMER: Duration = Duration::from_secs(10);

/// The rate limits of all portals, shared with the other replicas. Cheap to clone.
#[derive(Clone)]
pub struct Sharing {
    registry: Arc<Registry>,
}

impl Sharing {
    /// Shares until the tasks are stopped. `replica` is the id of this process, `living` the number
    /// of living replicas, including this one.
    pub fn start(
        budgets: Budgets,
        replica: Uuid,
        living: watch::Receiver<u32>,
        tasks: &Tasks,
    ) -> Self {
        let replica = replica.simple().to_string();
        let newcomer_until = Instant::now() + NEWCOMER;
        let registry = Registry::new(budgets, replica, living, newcomer_until.into_std());
        let registry = Arc::new(registry);
        let exchanging = exchange::run(registry.clone(), tasks.stopped());
        tasks.spawn_lasting("exchange of budgets", exchanging);
        Self { registry }
    }

    /// The bucket of a portal. `wake` is called, from another task and with nothing locked, when a
    /// permit that was not granted may be granted now. A portal has one user at a time: the `wake`
    /// of a second one replaces the first.
    pub fn bucket(
        &self,
        portal: &str,
        limit: RateLimit,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> PortalBucket {
        let user = User::new(&self.registry, portal, limit, Box::new(wake));
        let bucket = user.bucket();
        PortalBucket::new(bucket, move |due| user.set_due(due))
    }

    /// Whether the replicas can exchange, to be watched.
    pub fn state(&self) -> watch::Receiver<SharingState> {
        self.registry.state.subscribe()
    }

    /// How many replicas live, including this one.
    pub fn living(&self) -> u32 {
        self.registry.living()
    }
}

impl fmt::Debug for Sharing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sharing")
            .field("replica", &self.registry.replica)
            .finish_non_exhaustive()
    }
}
