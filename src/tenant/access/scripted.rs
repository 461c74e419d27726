//! Access whose refreshes a test lets end.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::PortalAccess;
use super::error::AccessError;
use crate::metrics::Metrics;
use crate::tenant::directory::{Directory, Tenant};
use crate::tenant::sample;
use bitrix24::Client;
use store::Store;

/// Refreshes that end when the test lets them.
#[derive(Clone, Debug)]
pub(crate) struct Refreshes {
    allowed: Arc<Semaphore>,
}

impl Refreshes {
    /// Lets this many refreshes bring a new token.
    pub(crate) fn allow(&self, count: usize) {
        self.allowed.add_permits(count);
    }

    pub(super) async fn next(
        &self,
        tenant: &Tenant,
        deadline: Instant,
    ) -> Result<Tenant, AccessError> {
        match tokio::time::timeout_at(deadline, self.allowed.acquire()).await {
            Ok(allowed) => allowed.unwrap().forget(),
            Err(_elapsed) => return Err(AccessError::DeadlinePassed),
        }
        Ok(sample::application(
            tenant.id().as_str(),
            Duration::from_secs(3600),
        ))
    }
}

/// Access to portals, and what decides its refreshes.
pub(crate) fn access(store: Store, client: Client, metrics: Metrics) -> (PortalAccess, Refreshes) {
    let directory = Directory::new(store.clone(), sample::judgement(), 10, metrics.clone());
    let (timeout, tasks) = (Duration::from_secs(1), TaskTracker::new());
    let mut access = PortalAccess::new(directory, store, client, timeout, &tasks, metrics);
    let refreshes = Refreshes {
        allowed: Arc::new(Semaphore::new(0)),
    };
    access.refreshes = Some(refreshes.clone());
    (access, refreshes)
}
