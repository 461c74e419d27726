//! Files that change while the service runs: the tenants file and the keyring.
//!
//! They are looked at every few seconds: a mounted ConfigMap or Secret changes by a swapped link, which watchers of files miss.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use secrecy::{ExposeSecret, SecretString};
use tokio_util::sync::CancellationToken;

use super::file::TenantsSource;
use super::reconcile::reconcile;
use crate::metrics::Metrics;
use crate::telemetry::chain;
use bitrix24::TenantId;
use store::Store;
use store::StoredTenant;
use store::sealing::{KeyId, Keyring};

/// How often files are looked at.
const INTERVAL: Duration = Duration::from_secs(5);
/// After how many looks the tenants file is read even if it looks the same, because a secret may stand in another file.
const LOOKS_BEFORE_READING: u32 = 12;

/// The tenants file with what was last taken over from it.
#[derive(Debug)]
pub struct WatchedTenants {
    source: TenantsSource,
    stamp: Option<Stamp>,
    taken_over: Vec<Entry>,
    looks: u32,
    last_fault: String,
}

/// The keyring with the file it came from.
#[derive(Debug)]
pub struct WatchedKeyring {
    keyring: Keyring,
    path: PathBuf,
    stamp: Option<Stamp>,
}

/// What differs when a file has changed.
type Stamp = (u64, u64, Option<SystemTime>);
/// An entry of the tenants file.
type Entry = (TenantId, Option<[u8; 32]>);

/// Follows both until `stop`.
pub async fn watch(
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
            keyring.look(&store).await;
        }
        if let Some(tenants) = &mut tenants {
            tenants.look(&store, &metrics).await;
        }
    }
}

impl WatchedTenants {
    /// Watches a file that was taken over at start.
    pub fn new(source: TenantsSource, taken_over: &[StoredTenant]) -> Self {
        Self {
            stamp: stamp(source.path()),
            taken_over: entries(taken_over),
            source,
            looks: 0,
            last_fault: String::new(),
        }
    }

    async fn look(&mut self, store: &Store, metrics: &Metrics) {
        self.looks += 1;
        let stamp = stamp(self.source.path());
        if stamp == self.stamp && self.looks < LOOKS_BEFORE_READING {
            return;
        }
        self.looks = 0;
        let source = self.source.clone();
        let Ok(read) = tokio::task::spawn_blocking(move || source.read()).await else {
            return;
        };
        let tenants = match read {
            Ok(tenants) => tenants,
            Err(errors) => return self.tell(errors.to_string()),
        };
        let entries = entries(&tenants);
        if entries != self.taken_over {
            if let Err(error) = reconcile(store, &tenants, metrics).await {
                return self.tell(chain(&error));
            }
            self.taken_over = entries;
        }
        self.stamp = stamp;
        self.last_fault.clear();
    }

    /// Logs a fault, once for as long as it stays the same.
    fn tell(&mut self, fault: String) {
        if self.last_fault != fault {
            tracing::error!(fault, "the changed tenants file is not taken over");
            self.last_fault = fault;
        }
    }
}

impl WatchedKeyring {
    /// Watches the file that the keyring was read from.
    pub fn new(keyring: Keyring, path: PathBuf) -> Self {
        let stamp = stamp(&path);
        Self {
            keyring,
            path,
            stamp,
        }
    }

    async fn look(&mut self, store: &Store) {
        let stamp = stamp(&self.path);
        if stamp == self.stamp {
            return;
        }
        // If the store does not answer, another look follows.
        let Ok(in_use) = store.key_use().await else {
            return;
        };
        self.stamp = stamp;
        let read = std::fs::read_to_string(&self.path).map(SecretString::from);
        let parsed = read
            .map_err(|error| format!("it cannot be read ({})", error.kind()))
            .and_then(|text| {
                Keyring::parse(text.expose_secret()).map_err(|error| error.to_string())
            });
        match parsed {
            Ok(changed) if !has_all(&changed, &in_use) => {
                let fault = "it lacks a key that seals secrets in the store; see `openlines keys sealing-keys`";
                tracing::error!(fault, "the changed keyring is not taken over");
            }
            Ok(changed) => {
                self.keyring.replace(changed);
                tracing::info!("the changed keyring is taken over");
            }
            Err(fault) => tracing::error!(fault, "the changed keyring is not taken over"),
        }
    }
}

/// Whether the keyring opens everything that is sealed.
fn has_all(keyring: &Keyring, in_use: &[(KeyId, u64)]) -> bool {
    let ids = keyring.ids();
    in_use.iter().all(|(id, _)| ids.contains(id))
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.ino(), metadata.len(), metadata.modified().ok()))
}

fn entries(tenants: &[StoredTenant]) -> Vec<Entry> {
    let entries = tenants.iter();
    entries
        .map(|tenant| (tenant.id.clone(), tenant.file_fingerprint))
        .collect()
}
