//! The portals that calls are made to.

use std::sync::{Arc, MutexGuard, Weak};
use std::time::Duration;

use super::context::DispatchContext;
use super::driver::PortalDriver;
use super::request::STAGES;
use super::shards::{Shard, Shards};
use bitrix24::PortalAddress;
use pacing::{RateLimit, TenantKey};

/// How often portals are looked after that nobody calls.
const SWEEP: Duration = Duration::from_secs(60);

/// The drivers of all portals.
#[derive(Debug)]
pub(super) struct Drivers {
    context: Arc<DispatchContext>,
    known: Shards<Box<str>, Arc<PortalDriver>>,
}

type Part = Shard<Box<str>, Arc<PortalDriver>>;

impl Drivers {
    pub(super) fn new(context: Arc<DispatchContext>) -> Self {
        Self {
            context,
            known: Shards::default(),
        }
    }

    /// The driver of a portal, made for the first call.
    pub(super) fn of(&self, portal: &PortalAddress, limit: Option<RateLimit>) -> Arc<PortalDriver> {
        let name = portal.authority();
        let mut known = self.known.of(self.known.fingerprint(&name));
        if let Some(driver) = known.get(name) {
            return Arc::clone(driver);
        }
        let context = Arc::clone(&self.context);
        let driver = PortalDriver::new(portal, context, limit, STAGES);
        known.insert(name.into(), Arc::clone(&driver));
        driver
    }

    /// The driver of a portal in use.
    pub(super) fn known(&self, portal: &PortalAddress) -> Option<Arc<PortalDriver>> {
        let name = portal.authority();
        let known = self.known.of(self.known.fingerprint(&name));
        known.get(name).map(Arc::clone)
    }

    /// Looks after portals that nobody calls, until it is cancelled.
    pub(super) async fn look_after(drivers: Weak<Self>) {
        loop {
            tokio::time::sleep(SWEEP).await;
            let Some(drivers) = drivers.upgrade() else {
                return;
            };
            drivers.sweep().await;
        }
    }

    /// Lets portals that nobody calls give back memory, and forgets those of which nothing useful
    /// would be lost. A call finds a driver and shares it under the lock of its part, so none is
    /// forgotten that a call has.
    pub(super) async fn sweep(&self) {
        for drivers in self.parts() {
            drivers.iter().for_each(|driver| driver.rest());
            drop(drivers);
            // There may be many, and others use this thread.
            tokio::task::yield_now().await;
        }
        for () in self.known.all().map(forget_idle) {
            tokio::task::yield_now().await;
        }
        self.context.sender.forget_unused();
    }

    /// All of them, part by part. The lock of a part is held while its list is copied.
    pub(super) fn parts(&self) -> impl Iterator<Item = Vec<Arc<PortalDriver>>> {
        let parts = self.known.all();
        parts.map(|known| known.values().map(Arc::clone).collect())
    }

    /// The portals where the plan of a tenant counts, by name.
    pub(super) fn with_plan_of(&self, tenant: &TenantKey) -> Vec<(Box<str>, Arc<PortalDriver>)> {
        let mut found = Vec::new();
        for known in self.known.all() {
            let counts = known.iter();
            let counts = counts.filter(|(_, driver)| driver.counts_plan_of(tenant));
            found.extend(counts.map(|(name, driver)| (name.clone(), Arc::clone(driver))));
        }
        // The same in each run of a simulation.
        found.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        found
    }
}

fn forget_idle(mut known: MutexGuard<'_, Part>) {
    known.retain(|_, driver| Arc::strong_count(driver) > 1 || !driver.is_idle());
    if known.capacity() > 4 * known.len() {
        known.shrink_to_fit();
    }
}
