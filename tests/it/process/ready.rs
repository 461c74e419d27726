//! What `/ready` and health say of the store, and what calls get meanwhile.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use bitrix24_openlines::api::openlines::v1 as api;
use tempfile::TempDir;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use uuid::Uuid;

use crate::support::admin::{free_address, ready, until_sample};
use crate::support::proxy::{Mode, Proxy};
use crate::support::requests::crm_message;
use crate::support::stores::Stores;
use crate::support::{Fate, World, tell};

/// Far longer than a state needs to count.
const PATIENCE: Duration = Duration::from_secs(40);

struct Place {
    world: World,
    admin: SocketAddr,
}

impl Place {
    async fn on(store_url: &str, settings: &[(&str, &str)]) -> Self {
        let admin = free_address();
        let address = admin.to_string();
        let own = [("ADMIN_LISTEN", &*address), ("STORE_URL", store_url)];
        let settings: Vec<(&str, &str)> = own.iter().chain(settings).copied().collect();
        let world = World::with_settings(&settings).await;
        let place = Self { world, admin };
        // It serves.
        place.world.send(crm_message("first")).await.unwrap();
        place.until(200, "store: works").await;
        place
    }

    /// Waits until `/ready` has this status and this line.
    async fn until(&self, status: u16, line: &str) -> String {
        let begun = Instant::now();
        loop {
            let (found, text) = ready(self.admin).await;
            let word = if found == 200 {
                "ready\n"
            } else {
                "not ready\n"
            };
            assert!(text.starts_with(word), "{found} {text}");
            if found == status && text.contains(line) {
                return text;
            }
            assert!(begun.elapsed() < PATIENCE, "{found} {text}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn health(&self) -> ServingStatus {
        let mut health = HealthClient::new(self.world.service.channel().await);
        let request = HealthCheckRequest {
            service: "openlines.v1.OpenLinesService".to_owned(),
        };
        health.check(request).await.unwrap().into_inner().status()
    }

    /// With an idempotency key.
    async fn send_with_key(&self, text: &str) -> Fate {
        let message = api::SendCrmMessageRequest {
            request_id: Uuid::new_v4().to_string(),
            ..crm_message(text)
        };
        Fate::of(&self.world.send(message).await)
    }

    /// Only what needs the store is refused, and nothing of it is sent.
    async fn assert_keys_are_refused(&self, name: &str) {
        let with_key = format!("{name}, with a key");
        assert_eq!(self.send_with_key(&with_key).await, Fate::NotExecuted);
        let without = format!("{name}, without a key");
        self.world.send(crm_message(&without)).await.unwrap();
        let record = self.world.sandbox.record();
        assert_eq!(record.times_delivered(&with_key), 0);
        assert_eq!(record.times_delivered(&without), 1);
    }
}

fn sqlite_in(folder: &Path) -> (PathBuf, String) {
    let file = folder.join("openlines.db");
    let url = format!("sqlite:{}", file.display());
    (file, url)
}

#[tokio::test]
async fn a_store_file_that_was_removed_is_noticed_at_once_and_works_when_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let (file, url) = sqlite_in(folder.path());
    let place = Place::on(&url, &[]).await;
    assert_eq!(place.send_with_key("before").await, Fate::Ok);
    let aside = file.with_extension("aside");
    fs::rename(&file, &aside).unwrap();
    // Before anybody looks.
    place.assert_keys_are_refused("removed").await;
    let text = place.until(503, "store: fails").await;
    assert!(text.contains("was removed or replaced"), "{text}");
    assert_eq!(place.health().await, ServingStatus::NotServing);
    until_sample(
        place.admin,
        "openlines_dependency_works{dependency=\"store\"}",
        0,
    )
    .await;

    // Another file in its place does not make it better.
    fs::write(&file, b"").unwrap();
    place.assert_keys_are_refused("replaced").await;
    fs::rename(&aside, &file).unwrap();
    place.until(200, "store: works").await;
    assert_eq!(place.health().await, ServingStatus::Serving);
    assert_eq!(place.send_with_key("after").await, Fate::Ok);
}

#[tokio::test]
async fn a_store_whose_log_was_removed_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let (file, url) = sqlite_in(folder.path());
    let place = Place::on(&url, &[]).await;
    assert_eq!(place.send_with_key("before").await, Fate::Ok);
    fs::remove_file(file.with_extension("db-wal")).unwrap();
    place.assert_keys_are_refused("removed").await;
    place.until(503, "store: fails").await;
}

#[tokio::test]
async fn the_operator_may_have_calls_come_without_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let (file, url) = sqlite_in(folder.path());
    let place = Place::on(&url, &[("STORE_KEEPS_CALLS_AWAY", "never")]).await;
    fs::remove_file(&file).unwrap();
    let text = place.until(200, "store: fails").await;
    assert!(text.contains("calls are taken all the same"), "{text}");
    assert_eq!(place.health().await, ServingStatus::Serving);
}

/// A small file system of its own, if this user may mount one.
struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=3m", "openlines-test"]);
        let mounted = mount.arg(folder.path()).output();
        if mounted.is_ok_and(|mounted| mounted.status.success()) {
            Some(Self { folder })
        } else {
            tell("NOT RUN: this user may not mount a small file system");
            None
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the service may still have the store.
        let mut unmount = Command::new("umount");
        let _ = unmount.arg("-l").arg(self.folder.path()).status();
    }
}

#[tokio::test]
async fn a_full_disk_keeps_calls_away_until_there_is_room() {
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    let (_, url) = sqlite_in(disk.folder.path());
    let place = Place::on(&url, &[]).await;
    let filler = disk.folder.path().join("filler");
    // All that is left; the last write fails.
    let _ = fs::write(&filler, vec![0; 4 << 20]);
    let text = place.until(503, "store: fails").await;
    assert!(text.contains("full"), "{text}");
    place.assert_keys_are_refused("full").await;
    fs::remove_file(&filler).unwrap();
    place.until(200, "store: works").await;
    assert_eq!(place.send_with_key("after").await, Fate::Ok);
}

#[tokio::test]
async fn a_shared_database_that_is_away_is_told_and_keeps_no_calls_away() {
    let Some(stores) = Stores::postgresql().await else {
        return;
    };
    let (proxy, url) = Proxy::before(stores.url()).await;
    let place = Place::on(&url, &[]).await;
    proxy.set(Mode::Cut);
    for line in ["store: fails", "heartbeats: fails"] {
        let text = place.until(200, line).await;
        assert!(text.contains("calls are taken all the same"), "{text}");
    }
    assert_eq!(place.health().await, ServingStatus::Serving);
    place.assert_keys_are_refused("away").await;
    proxy.set(Mode::Open);
    for line in ["store: works", "heartbeats: works"] {
        place.until(200, line).await;
    }
}

#[tokio::test]
async fn a_shared_database_that_only_reads_is_told() {
    let Some(stores) = Stores::postgresql().await else {
        return;
    };
    let place = Place::on(stores.url(), &[("STORE_KEEPS_CALLS_AWAY", "always")]).await;
    let database = stores.texts("SELECT current_database()::text").await;
    let read_only = format!(
        "ALTER DATABASE \"{}\" SET default_transaction_read_only = on",
        database[0]
    );
    stores.execute(&read_only).await;
    let end_all = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                   WHERE datname = current_database() AND pid <> pg_backend_pid()";
    stores.execute(end_all).await;
    let text = place.until(503, "store: fails").await;
    assert!(text.contains("25006"), "{text}");
    assert_eq!(place.health().await, ServingStatus::NotServing);
}

#[tokio::test]
async fn who_asks_for_json_gets_the_same_as_json() {
    let folder = tempfile::tempdir().unwrap();
    let (_, url) = sqlite_in(folder.path());
    let place = Place::on(&url, &[]).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    // The first look at the store may take a moment.
    let (said, store) = loop {
        let ask = client.get(format!("http://{}/ready", place.admin));
        let answer = ask.header("accept", "application/json").send();
        let text = answer.await.unwrap().text().await.unwrap();
        let said: serde_json::Value = serde_json::from_str(&text).unwrap();
        let dependencies = said["dependencies"].as_array().unwrap();
        let mut dependencies = dependencies.iter();
        let store = dependencies.find(|dependency| dependency["name"] == "store");
        let store = store.unwrap().clone();
        if !store["checked_seconds_ago"].is_null() {
            break (said, store);
        }
    };
    assert_eq!(
        (&said["ready"], &said["service"]),
        (&true.into(), &"serving".into())
    );
    assert_eq!(
        (&store["state"], &store["required"], &store["problem"]),
        (&"works".into(), &true.into(), &serde_json::Value::Null)
    );
    assert!(store["for_seconds"].is_u64() && store["checked_seconds_ago"].is_u64());
}
