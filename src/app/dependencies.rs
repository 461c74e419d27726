//! Looks at what the service depends on, and reports it.

use std::time::Duration;

use tokio::time::Instant;

use super::config::StoreReadiness;
use crate::auth::Followed;
use crate::dispatch::ledger::Ledger;
use crate::dispatch::replica::Replica;
use crate::dispatch::sharing::{Sharing, SharingState};
use crate::readiness::{Dependency, Need, Readiness};
use crate::telemetry::{CollectorState, chain};
use store::{Store, StoreError};

/// The time between two looks: within it a file that was removed is noticed.
const INTERVAL: Duration = Duration::from_secs(1);

/// The time between two writes to a store that works. Each is a write to the disk.
const WRITE_INTERVAL: Duration = Duration::from_secs(5);

/// How long a write may take. The store's own limit is longer than operators should wait.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The age of the last heartbeat from which it is told: two were missed.
const OLD_HEARTBEAT: Duration = Duration::from_secs(6);

/// What is looked at.
pub(super) struct Dependencies {
    store: (Store, Dependency),
    ledger: (Ledger, Dependency),
    heartbeats: Option<(Replica, Dependency)>,
    sharing: Option<(Sharing, Dependency)>,
    followed: Followed,
    callers_file: Option<Dependency>,
    key_sets: Option<Dependency>,
    collector: Option<(CollectorState, Dependency)>,
}

impl Dependencies {
    pub(super) fn new(
        readiness: &Readiness,
        (store, store_readiness): (Store, StoreReadiness),
        ledger: Ledger,
        replica: Replica,
        sharing: Option<Sharing>,
        followed: Followed,
        collector: Option<CollectorState>,
    ) -> Self {
        let need = match store_readiness {
            StoreReadiness::Always => Need::Required,
            StoreReadiness::Never => Need::Told,
            StoreReadiness::Auto if store.is_shared() => Need::Told,
            StoreReadiness::Auto => Need::Required,
        };
        let told = |name| readiness.dependency(name, Need::Told);
        let heartbeats = store.is_shared().then(|| (replica, told("heartbeats")));
        Self {
            store: (store, readiness.dependency("store", need)),
            ledger: (ledger, told("ledger")),
            heartbeats,
            sharing: sharing.map(|sharing| (sharing, told("sharing"))),
            callers_file: followed.callers_file().map(|_| told("callers file")),
            key_sets: followed.key_sets().map(|_| told("key sets")),
            followed,
            collector: collector.map(|collector| (collector, told("collector"))),
        }
    }

    /// Looks and reports without end.
    pub(super) async fn watch(self) {
        let looking_at_the_collector = async {
            if let Some((collector, _)) = &self.collector {
                collector.look().await;
            }
        };
        tokio::join!(self.report(), looking_at_the_collector);
    }

    async fn report(&self) {
        let begun = Instant::now();
        let mut written: Option<Instant> = None;
        loop {
            let (store, dependency) = &self.store;
            let is_due = written.is_none_or(|written| written.elapsed() >= WRITE_INTERVAL);
            let checked = if is_due {
                probe(store).await
            } else {
                store.is_in_place()
            };
            match checked {
                Ok(()) => {
                    if is_due {
                        written = Some(Instant::now());
                    }
                    dependency.works();
                }
                Err(error) => {
                    written = None;
                    if error.is_lost() {
                        dependency.is_lost(chain(&error));
                    } else {
                        dependency.fails(chain(&error));
                    }
                }
            }
            self.look_at_the_rest(begun);
            tokio::time::sleep(INTERVAL).await;
        }
    }

    fn look_at_the_rest(&self, begun: Instant) {
        let (ledger, dependency) = &self.ledger;
        dependency.works_unless(ledger.problem());
        let followed = &self.followed;
        for (dependency, problem) in [
            (&self.callers_file, followed.callers_file()),
            (&self.key_sets, followed.key_sets()),
        ] {
            if let (Some(dependency), Some(problem)) = (dependency, problem) {
                dependency.works_unless(problem);
            }
        }
        if let Some((collector, dependency)) = &self.collector {
            dependency.works_unless(collector.problem());
        }
        if let Some((replica, dependency)) = &self.heartbeats {
            let last = replica.last_heartbeat().unwrap_or(begun);
            if last.elapsed() < OLD_HEARTBEAT {
                dependency.works();
            } else {
                let age = last.elapsed().as_secs();
                dependency.fails(format!("the last one that was stored is {age} s old"));
            }
        }
        if let Some((sharing, dependency)) = &self.sharing {
            if *sharing.state().borrow() == SharingState::Isolated {
                dependency.fails("the database does not respond in time; a safe share is used");
            } else {
                dependency.works();
            }
        }
    }
}

async fn probe(store: &Store) -> Result<(), StoreError> {
    let probed = tokio::time::timeout(TIMEOUT, store.probe()).await;
    probed.unwrap_or_else(|_| Err(StoreError::timeout()))
}
