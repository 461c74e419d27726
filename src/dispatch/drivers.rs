//! The portals that calls are made to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::context::DispatchContext;
use super::driver::PortalDriver;
use super::request::STAGES;
use super::shards::Shards;
use bitrix24::PortalAddress;
use pacing::{RateLimit, TenantKey};

/// How often idle portals are forgotten.
const SWEEP: Duration = Duration::from_secs(60);

/// The drivers of all portals.
#[derive(Debug)]
pub(super) struct Drivers {
    context: Arc<DispatchContext>,
    known: Shards<Box<str>, Arc<PortalDriver>>,
    begun: Instant,
    /// When idle portals were forgotten last, in milliseconds since `begun`.
    swept: AtomicU64,
}

impl Drivers {
    pub(super) fn new(context: Arc<DispatchContext>) -> Self {
        Self {
            context,
            known: Shards::default(),
            begun: Instant::now(),
            swept: AtomicU64::new(0),
        }
    }

    /// The driver of a portal, made for the first call.
    pub(super) fn of(&self, portal: &PortalAddress, limit: Option<RateLimit>) -> Arc<PortalDriver> {
        self.sweep();
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

    fn sweep(&self) {
        let now = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let swept = self.swept.load(Ordering::Relaxed);
        let is_due = now.saturating_sub(swept) > u64::try_from(SWEEP.as_millis()).unwrap_or(0);
        // One of the calls that come at once does it.
        let relaxed = Ordering::Relaxed;
        if is_due && (self.swept.compare_exchange(swept, now, relaxed, relaxed)).is_ok() {
            for mut known in self.known.all() {
                known.retain(|_, driver| Arc::strong_count(driver) > 1 || !driver.is_idle());
            }
        }
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
