//! Files that change while a replica starts, and what is looked at again.

use std::path::Path;

use store::sealing::Key;
use store::{Access, StoreUrl};
use tempfile::TempDir;

use super::*;
use crate::readiness::{Need, Readiness};
use crate::settings::Environment;
use crate::tenant::{Applications, sample};
use store::StoredCredentials;

struct Bench {
    folder: TempDir,
    store: Store,
    keyring: Keyring,
    metrics: Metrics,
}

impl Bench {
    async fn of(key: &Key) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}/openlines.db", folder.path().display());
        let keyring = Keyring::from(key.clone());
        let url = StoreUrl::parse(&url).unwrap();
        let store = Store::open(&url, keyring.clone(), Access::Service).await;
        Self {
            store: store.unwrap(),
            folder,
            keyring,
            metrics: Metrics::new().unwrap(),
        }
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn dependency(&self) -> Dependency {
        Readiness::new(self.metrics.clone()).dependency("a file", Need::Told)
    }
}

fn key() -> Key {
    Key::generate().unwrap()
}

fn text(keys: &[&Key]) -> String {
    let keys = keys.iter().map(|key| key.expose());
    keys.map(|key| key.expose_secret().to_owned() + "\n")
        .collect()
}

#[tokio::test]
async fn a_keyring_that_was_replaced_during_the_start_is_applied_at_the_first_look() {
    let (old, new) = (key(), key());
    let bench = Bench::of(&old).await;
    // The settings read the old one; this is what the file says when the watch begins.
    let path = bench.write("keyring", &text(&[&new, &old]));
    let mut watched = WatchedKeyring::new(bench.keyring.clone(), path, bench.dependency());
    watched.poll(&bench.store).await;
    assert_eq!(bench.keyring.ids(), [new.id().clone(), old.id().clone()]);
}

#[tokio::test]
async fn a_keyring_that_was_refused_is_applied_when_nothing_speaks_against_it_any_more() {
    let (old, new) = (key(), key());
    let bench = Bench::of(&old).await;
    let webhook = StoredCredentials::Webhook {
        user_id: 1,
        secret: "a".into(),
    };
    let entry = sample::stored("acme", webhook);
    bench.store.create(&entry).await.unwrap();
    let path = bench.write("keyring", &text(&[&new]));
    let mut watched = WatchedKeyring::new(bench.keyring.clone(), path, bench.dependency());
    watched.poll(&bench.store).await;
    assert_eq!(bench.keyring.ids(), [old.id().clone()]);
    bench.store.delete(&entry.id, None).await.unwrap();
    for _ in 0..POLLS_BEFORE_READING {
        watched.poll(&bench.store).await;
    }
    assert_eq!(bench.keyring.ids(), [new.id().clone()]);
}

fn list(names: &[&str]) -> String {
    let entries = names.iter().map(|name| {
        format!(
            "- {{id: {name}, portal: {name}.bitrix24.com, webhook: {{user_id: 1, secret: {{inline: s}}}}}}\n"
        )
    });
    format!("tenants:\n{}", entries.collect::<String>())
}

/// Reads the file as the settings do, and lets it change while it is read.
fn listed(path: &Path, change: impl FnOnce()) -> ListedTenants {
    let source = TenantsSource {
        path: path.to_owned(),
        policy: sample::judgement().policy,
        applications: Applications::new(Vec::new()),
        environment: Environment::default().with_world_readable_files(true),
    };
    let stamp = Stamp::of(path);
    let tenants = source.read().unwrap();
    change();
    ListedTenants {
        source,
        stamp,
        tenants,
    }
}

#[tokio::test]
async fn a_tenants_file_that_was_replaced_during_the_start_is_applied_at_the_first_look() {
    let bench = Bench::of(&key()).await;
    let path = bench.write("tenants.yaml", &list(&["a"]));
    // The same length, as one changed secret would have it.
    let listed = listed(&path, || {
        bench.write("tenants.yaml", &list(&["b"]));
    });
    let mut watched = WatchedTenants::new(listed, bench.dependency());
    watched.poll(&bench.store, &bench.metrics).await;
    let b = TenantId::parse("b").unwrap();
    assert!(bench.store.tenant(&b).await.unwrap().is_some());
}
