//! Watches the tenants file and the keyring file for changes.
//!
//! Polls every few seconds: a mounted ConfigMap or Secret changes by a swapped link, which file
//! watchers miss.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio_util::sync::CancellationToken;

use super::file::TenantsSource;
use super::reconcile::reconcile;
use super::settings::ListedTenants;
use crate::metrics::Metrics;
use crate::readiness::Dependency;
use crate::settings::Stamp;
use crate::telemetry::chain;
use bitrix24::TenantId;
use store::Store;
use store::StoredTenant;
use store::sealing::{KeyId, Keyring};

/// What readiness says. The errors may name tenants, and are in the log.
const NOT_APPLIED: &str = "it has changed and was not applied; the log has the errors";
const LACKS_A_KEY: &str =
    "it lacks a key that seals secrets in the store; see `openlines keys sealing-keys`";
const INTERVAL: Duration = Duration::from_secs(5);
/// After how many polls an unchanged file is read again: once a minute. Other files may hold the
/// secrets of the tenants file, and what the store said against a keyring may not be true any more.
const POLLS_BEFORE_READING: u32 = 12;

/// The tenants file with the entries that were applied last.
#[derive(Debug)]
pub(crate) struct WatchedTenants {
    source: TenantsSource,
    stamp: Option<Stamp>,
    applied: Vec<Entry>,
    polls: u32,
    last_problem: String,
    dependency: Dependency,
}

/// The keyring with the file it came from.
#[derive(Debug)]
pub(crate) struct WatchedKeyring {
    keyring: Keyring,
    path: PathBuf,
    stamp: Option<Stamp>,
    polls: u32,
    last_problem: String,
    dependency: Dependency,
}

/// An entry of the tenants file.
type Entry = (TenantId, Option<[u8; 32]>);

/// Watches both files until `stop`.
pub(crate) async fn watch(
    store: Store,
    mut tenants: Option<WatchedTenants>,
    mut keyring: Option<WatchedKeyring>,
    metrics: Metrics,
    stop: CancellationToken,
) {
    while stop
        .run_until_cancelled(tokio::time::sleep(INTERVAL))
        .await
        .is_some()
    {
        if let Some(keyring) = &mut keyring {
            keyring.poll(&store).await;
        }
        if let Some(tenants) = &mut tenants {
            tenants.poll(&store, &metrics).await;
        }
    }
}

impl WatchedTenants {
    /// Watches a file that was applied at start.
    pub(crate) fn new(listed: ListedTenants, dependency: Dependency) -> Self {
        let ListedTenants {
            source,
            stamp,
            tenants,
        } = listed;
        Self {
            stamp,
            applied: entries(&tenants),
            source,
            polls: 0,
            last_problem: String::new(),
            dependency,
        }
    }

    async fn poll(&mut self, store: &Store, metrics: &Metrics) {
        self.polls += 1;
        // Before the file is read: a change meanwhile is found at the next look.
        let stamp = Stamp::of(self.source.path());
        if stamp == self.stamp && self.polls < POLLS_BEFORE_READING {
            return;
        }
        self.polls = 0;
        let source = self.source.clone();
        let Ok(read) = tokio::task::spawn_blocking(move || source.read()).await else {
            return;
        };
        let tenants = match read {
            Ok(tenants) => tenants,
            Err(errors) => return self.report(errors.to_string()),
        };
        let entries = entries(&tenants);
        if entries != self.applied {
            if let Err(error) = reconcile(store, &tenants, metrics).await {
                return self.report(chain(&error));
            }
            self.applied = entries;
        }
        self.stamp = stamp;
        self.last_problem.clear();
        self.dependency.works();
    }

    /// Logs a problem once for as long as it stays the same.
    fn report(&mut self, problem: String) {
        self.dependency.fails(NOT_APPLIED);
        if self.last_problem != problem {
            tracing::error!(problem, "tenants file changed but was not applied");
            self.last_problem = problem;
        }
    }
}

impl WatchedKeyring {
    /// Watches the file that the keyring was read from.
    pub(crate) fn new(keyring: Keyring, path: PathBuf, dependency: Dependency) -> Self {
        Self {
            keyring,
            path,
            stamp: None,
            // Read at the first look: it may have changed since the settings were read.
            polls: POLLS_BEFORE_READING,
            last_problem: String::new(),
            dependency,
        }
    }

    async fn poll(&mut self, store: &Store) {
        self.polls += 1;
        let stamp = Stamp::of(&self.path);
        if stamp == self.stamp && self.polls < POLLS_BEFORE_READING {
            return;
        }
        // If the store is unavailable, the next poll tries again.
        let Ok(in_use) = store.key_use().await else {
            return;
        };
        self.polls = 0;
        self.stamp = stamp;
        let read = std::fs::read_to_string(&self.path).map(SecretString::from);
        let parsed = read
            .map_err(|error| format!("it cannot be read ({})", error.kind()))
            .and_then(|text| {
                Keyring::parse(text.expose_secret()).map_err(|error| error.to_string())
            });
        match parsed {
            Ok(changed) if !has_all(&changed, &in_use) => self.report(LACKS_A_KEY.to_owned()),
            Ok(changed) => {
                let is_new = changed.ids() != self.keyring.ids();
                self.keyring.replace(changed);
                self.last_problem.clear();
                self.dependency.works();
                if is_new {
                    tracing::info!("applied the changed keyring");
                }
            }
            Err(problem) => self.report(problem),
        }
    }

    /// Logs a problem once for as long as it stays the same.
    fn report(&mut self, problem: String) {
        self.dependency.fails(NOT_APPLIED);
        if self.last_problem != problem {
            tracing::error!(problem, "keyring changed but was not applied");
            self.last_problem = problem;
        }
    }
}

fn has_all(keyring: &Keyring, in_use: &[(KeyId, u64)]) -> bool {
    let ids = keyring.ids();
    in_use.iter().all(|(id, _)| ids.contains(id))
}

fn entries(tenants: &[StoredTenant]) -> Vec<Entry> {
    let entries = tenants.iter();
    entries
        .map(|tenant| (tenant.id.clone(), tenant.file_fingerprint))
        .collect()
}

#[cfg(test)]
mod tests;
