//! The connections to all portals and authorization servers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use foldhash::fast::RandomState;
use tokio::runtime::{self, Handle};
use tokio::time::Instant;

use super::connector::Connector;
use super::portal::Portal;
use super::tally::Connections;
use super::target::Target;
use crate::origin::Origin;

/// From how many portals on those are forgotten that are not in use.
const MANY: usize = 1_024;

/// For how long a portal without connections is remembered then: its protocol is known.
const REMEMBERED: Duration = Duration::from_secs(60);

/// Connections by portal, for each runtime its own: they are read and written on the runtime that
/// opened them, and a request should wake no other thread.
pub(super) struct Pool {
    connector: Arc<Connector>,
    idle: Duration,
    runtimes: Mutex<HashMap<runtime::Id, Portals, RandomState>>,
}

#[derive(Default)]
struct Portals {
    /// By authority, with TLS and without.
    secure: HashMap<Box<str>, Arc<Portal>, RandomState>,
    plain: HashMap<Box<str>, Arc<Portal>, RandomState>,
    /// At how many the next look for those that are not in use is due.
    look_at: usize,
}

impl Pool {
    /// `idle` is how long a connection is kept without a request.
    pub(super) fn new(connector: Arc<Connector>, idle: Duration) -> Self {
        Self {
            connector,
            idle,
            runtimes: Mutex::default(),
        }
    }

    /// The connections of this runtime to one portal or authorization server.
    ///
    /// # Errors
    ///
    /// As [`Target::new`].
    pub(super) fn portal(&self, origin: Origin<'_>) -> Result<Arc<Portal>, http::Error> {
        let runtime = Handle::current().id();
        let mut runtimes = self.runtimes();
        let portals = runtimes.entry(runtime).or_default();
        let of_scheme = portals.of_scheme(origin.is_tls);
        if let Some(portal) = of_scheme.get(origin.authority) {
            return Ok(Arc::clone(portal));
        }
        portals.forget_unused(Instant::now());
        let target = Target::new(origin)?;
        let portal = Arc::new(Portal::new(target, Arc::clone(&self.connector), self.idle));
        let known = Arc::clone(&portal);
        let of_scheme = portals.of_scheme(origin.is_tls);
        of_scheme.insert(origin.authority.into(), known);
        Ok(portal)
    }

    /// Forgets portals that are not in use, where there are many.
    pub(super) fn forget_unused(&self, now: Instant) {
        for portals in self.runtimes().values_mut() {
            portals.look_at = 0;
            portals.forget_unused(now);
        }
    }

    /// The connections of all runtimes.
    pub(super) fn connections(&self) -> Connections {
        self.connector.connections()
    }

    fn runtimes(&self) -> MutexGuard<'_, HashMap<runtime::Id, Portals, RandomState>> {
        self.runtimes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Portals {
    fn of_scheme(&mut self, is_tls: bool) -> &mut HashMap<Box<str>, Arc<Portal>, RandomState> {
        if is_tls {
            &mut self.secure
        } else {
            &mut self.plain
        }
    }

    fn forget_unused(&mut self, now: Instant) {
        if self.secure.len() + self.plain.len() < self.look_at.max(MANY) {
            return;
        }
        for portals in [&mut self.secure, &mut self.plain] {
            portals.retain(|_, portal| {
                let is_in_use = Arc::strong_count(portal) > 1;
                is_in_use || portal.is_of_use(now, REMEMBERED)
            });
            if portals.capacity() > 4 * portals.len() {
                portals.shrink_to_fit();
            }
        }
        self.look_at = 2 * (self.secure.len() + self.plain.len());
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    #[tokio::test]
    async fn portals_that_are_not_in_use_are_forgotten_where_there_are_many() {
        let second = Duration::from_secs(1);
        let connector = testing::connector(None, second);
        let pool = Pool::new(Arc::new(connector), second);
        let portal = |number: usize| {
            let authority = format!("p{number}.bitrix24.com");
            pool.portal(Origin::secure(&authority)).unwrap()
        };
        let in_use = portal(0);
        for number in 1..MANY {
            portal(number);
        }
        let known = || {
            let runtimes = pool.runtimes();
            let portals = runtimes.values().next().unwrap();
            (portals.secure.len(), portals.secure.capacity())
        };
        pool.forget_unused(Instant::now());
        assert_eq!(known().0, MANY);
        pool.forget_unused(Instant::now() + REMEMBERED);
        let (kept, capacity) = known();
        assert_eq!(kept, 1);
        assert!(capacity < 16, "{capacity}");
        assert!(Arc::ptr_eq(&portal(0), &in_use));
    }
}
