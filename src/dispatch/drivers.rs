//! The portals that calls are made to.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::context::DispatchContext;
use super::driver::PortalDriver;
use super::request::STAGES;
use bitrix24::PortalAddress;
use pacing::{RateLimit, TenantKey};

/// How often idle portals are forgotten.
const SWEEP: Duration = Duration::from_secs(60);

/// The drivers of all portals.
#[derive(Debug)]
pub(super) struct Drivers {
    context: Arc<DispatchContext>,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    drivers: HashMap<String, Arc<PortalDriver>>,
    swept: Instant,
}

impl Drivers {
    pub(super) fn new(context: Arc<DispatchContext>) -> Self {
        Self {
            context,
            known: Mutex::new(Known {
                drivers: HashMap::new(),
                swept: Instant::now(),
            }),
        }
    }

    /// The driver of a portal, made for the first call.
    pub(super) fn of(&self, portal: &PortalAddress, limit: Option<RateLimit>) -> Arc<PortalDriver> {
        let now = Instant::now();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(known.swept) > SWEEP {
            known.swept = now;
            known
                .drivers
                .retain(|_, driver| Arc::strong_count(driver) > 1 || !driver.is_idle());
        }
        let name = portal.authority();
        if let Some(driver) = known.drivers.get(name) {
            return Arc::clone(driver);
        }
        let context = Arc::clone(&self.context);
        let driver = PortalDriver::new(portal, context, limit, STAGES);
        known.drivers.insert(name.to_owned(), Arc::clone(&driver));
        driver
    }

    /// The portals where the plan of a tenant counts, by name.
    pub(super) fn with_plan_of(&self, tenant: &TenantKey) -> Vec<(String, Arc<PortalDriver>)> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let drivers = known.drivers.iter();
        drivers
            .filter(|(_, driver)| driver.counts_plan_of(tenant))
            .map(|(name, driver)| (name.clone(), Arc::clone(driver)))
            .collect()
    }
}
