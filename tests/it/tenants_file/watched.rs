//! Files that change while the service runs, as Kubernetes changes them.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sandbox::demo;
use store::Access;
use store::sealing::Key;
use tokio::time::Instant;

use super::{Deployment, call, named};
use crate::support::log::Log;
use crate::support::stores::{Stores, keyring_of, keyring_text};
use crate::support::{REFRESHABLE, Service, refreshable};

/// The interval of five seconds, with room for a slow machine.
const TAKEN_OVER: Duration = Duration::from_secs(9);
/// Two looks at a file.
const TWO_LOOKS: Duration = Duration::from_secs(11);

/// A mounted volume: each file leads through the link `..data` to a folder, and a change exchanges
/// that link.
struct Volume {
    folder: PathBuf,
    versions: u32,
}

impl Volume {
    fn mount(folder: &Path, files: &[(&str, &str)]) -> Self {
        let folder = folder.join("mounted");
        std::fs::create_dir(&folder).unwrap();
        let mut volume = Self {
            folder,
            versions: 0,
        };
        volume.change(files);
        for (name, _) in files {
            symlink(Path::new("..data").join(name), volume.path(name)).unwrap();
        }
        volume
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn change(&mut self, files: &[(&str, &str)]) {
        self.versions += 1;
        let version = format!("..version-{}", self.versions);
        std::fs::create_dir(self.path(&version)).unwrap();
        for (name, text) in files {
            std::fs::write(self.path(&version).join(name), text).unwrap();
        }
        symlink(&version, self.path("..data_tmp")).unwrap();
        std::fs::rename(self.path("..data_tmp"), self.path("..data")).unwrap();
        if self.versions > 1 {
            let old = self.path(&format!("..version-{}", self.versions - 1));
            std::fs::remove_dir_all(old).unwrap();
        }
    }
}

async fn soon(service: &Service, tenant: &str, expected: &str) {
    let begun = Instant::now();
    loop {
        let answer = call(service, tenant).await;
        if answer == expected {
            return;
        }
        assert!(
            begun.elapsed() < TAKEN_OVER,
            "{answer} in place of {expected}"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// One test for all, because each change waits for the next look.
#[tokio::test]
async fn changed_files_are_applied_and_invalid_ones_change_nothing() {
    let log = Log::default();
    let _guards = log.start();
    let mut deployment = Deployment::new(Stores::sqlite()).await;
    let (old_key, new_key) = (Key::generate().unwrap(), Key::generate().unwrap());
    let first = deployment.text(&refreshable(REFRESHABLE));
    let keyring = keyring_text(&[&old_key]);
    let files = [("tenants.yaml", &*first), ("keyring", &*keyring)];
    let mut volume = Volume::mount(deployment.folder.path(), &files);
    deployment.key = old_key;
    let (tenants, keys) = (volume.path("tenants.yaml"), volume.path("keyring"));
    let service = deployment
        .begin(&[
            ("TENANTS_FILE", tenants.to_str().unwrap()),
            ("STORE_KEYRING_FILE", keys.to_str().unwrap()),
        ])
        .await;
    soon(&service, REFRESHABLE, "OK").await;
    assert_eq!(call(&service, "second").await, "TENANT_NOT_PERMITTED");

    // A second tenant, another name for the first one, and a new key in front of the old one.
    let second =
        deployment.text(&(named(&refreshable(REFRESHABLE), "Another") + &refreshable("second")));
    let both = keyring_text(&[&new_key, &deployment.key]);
    volume.change(&[("tenants.yaml", &second), ("keyring", &both)]);
    soon(&service, "second", "OK").await;
    let keyring = keyring_of(&[&new_key, &deployment.key]);
    let store = deployment
        .stores
        .try_open(&keyring, Access::Maintenance)
        .await
        .unwrap();
    let stored = |name: &'static str| {
        let store = store.clone();
        async move {
            let id = crate::support::stores::id(name);
            store.tenant(&id).await.unwrap()
        }
    };
    assert_eq!(stored(REFRESHABLE).await.unwrap().display_name, "Another");
    assert!(log.text().contains("applied the changed keyring"));
    // The keyring is looked at before the tenants file, so both tenants were sealed with the new
    // key; refreshes are, too.
    let uses = store.key_use().await.unwrap();
    assert!(uses.iter().any(|(id, _)| id == new_key.id()), "{uses:?}");
    let expired = deployment
        .sandbox
        .expire_current_token(demo::HOST, demo::CLIENT_ID);
    assert!(expired);
    soon(&service, REFRESHABLE, "OK").await;
    let new_alone = keyring_of(&[&new_key]);
    let opened = deployment
        .stores
        .try_open(&new_alone, Access::Maintenance)
        .await;
    let uses = store.key_use().await.unwrap();
    assert!(opened.is_ok(), "the old key is still in use: {uses:?}");

    let third = format!(
        "- {{id: third, portal: 'http://PORTAL', webhook: {{user_id: {}, secret: {{inline: '{}'}}}}}}\n",
        demo::OWNER,
        demo::WEBHOOK_SECRET
    );
    // Faults in both files: the first tenant would have another name, the second would be new, the
    // third cannot be read.
    let revision = stored(REFRESHABLE).await.unwrap().revision;
    let faulty = named(&refreshable(REFRESHABLE), "Faulty")
        + &third
        + "- {id: 'NO ID', portal: 'secret.evil.example', webhook: {user_id: 1, secret: {inline: 'c4n4ry'}}}\n";
    let faulty = deployment.text(&faulty);
    volume.change(&[("tenants.yaml", &faulty), ("keyring", "b24s_c4n4ry")]);
    tokio::time::sleep(TWO_LOOKS).await;
    assert_eq!(call(&service, REFRESHABLE).await, "OK");
    assert_eq!(call(&service, "third").await, "TENANT_NOT_PERMITTED");
    let tenant = stored(REFRESHABLE).await.unwrap();
    assert_eq!(
        (tenant.display_name.as_str(), tenant.revision),
        ("Another", revision)
    );
    assert!(stored("third").await.is_none());
    let text = log.text();
    for line in [
        "tenants file changed but was not applied",
        "keyring changed but was not applied",
    ] {
        assert_eq!(text.matches(line).count(), 1, "{line}");
    }
    assert!(!text.contains("c4n4ry"), "a fault quotes a secret");

    // The faults are mended, with yet another change.
    let mended = deployment.text(&(refreshable("second") + &third));
    volume.change(&[("tenants.yaml", &mended), ("keyring", &both)]);
    soon(&service, "third", "OK").await;
    assert_eq!(
        call(&service, REFRESHABLE).await,
        "OK",
        "it is not named any more, and stays"
    );
    assert!(log.text().contains("are no longer in the tenants file"));
}
