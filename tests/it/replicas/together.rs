//! Replicas, with calls to send, and the portal's account of what has arrived.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bitrix24::Intensity;
use bitrix24_openlines::dispatch::Taken;
use bitrix24_openlines::dispatch::sharing::{PortalBucket, Sharing};
use rand::RngExt;
use store::{Access, Store, StoreUrl};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::support::stores::keyring;

pub(crate) const PORTAL: &str = "portal.bitrix24.example";

/// As the standard plan, ten times as fast.
pub(crate) const FAST: Intensity = Intensity {
    burst: 50,
    per_second: 20.0,
};

/// Replicas of one service.
pub(crate) struct Together {
    pub(crate) replicas: Vec<Sharing>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Together {
    /// So many replicas on the database of this URL.
    pub(crate) async fn start(url: &str, number: u32) -> Self {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let mut replicas = Vec::new();
        for _ in 0..number {
            let url = StoreUrl::parse(url).unwrap();
            let store = Store::open(&url, keyring(), Access::Service).await.unwrap();
            let budgets = store.budgets().unwrap();
            // So that the first exchange does not also make the first connection.
            budgets.probe().await.unwrap();
            let (_, living) = watch::channel(number);
            let sharing = Sharing::start(budgets, Uuid::new_v4(), living, &tasks, stop.clone());
            replicas.push(sharing);
        }
        Self {
            replicas,
            tasks,
            stop,
        }
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// What has arrived at the portal, and when.
#[derive(Clone, Default)]
pub(crate) struct Arrivals(Arc<Mutex<Vec<Instant>>>);

impl Arrivals {
    /// How many requests the portal has taken, and how many it has refused.
    pub(crate) fn count(&self, intensity: Intensity) -> (u32, u32) {
        let mut arrivals = self.0.lock().unwrap().clone();
        arrivals.sort();
        let (mut level, mut taken, mut refused) = (0.0_f64, 0, 0);
        let mut before: Option<Instant> = None;
        for at in arrivals {
            let passed = before.map_or(0.0, |before| (at - before).as_secs_f64());
            level = (level - passed * intensity.per_second).max(0.0);
            if level + 1.0 <= f64::from(intensity.burst) {
                level += 1.0;
                taken += 1;
            } else {
                refused += 1;
            }
            before = Some(at);
        }
        (taken, refused)
    }
}

/// Sends as fast as it may through one replica, until `end`: always more requests wait than may go.
pub(crate) async fn send_until(
    end: Instant,
    sharing: Sharing,
    intensity: Intensity,
    arrivals: Arrivals,
) {
    let woken = Arc::new(Notify::new());
    let wake = woken.clone();
    let bucket = sharing.bucket(PORTAL, intensity, move || wake.notify_one());
    let bucket = Arc::new(bucket);
    let mut requests = JoinSet::new();
    while Instant::now() < end {
        let now = Instant::now();
        match bucket.take(now) {
            Taken::Granted => {
                requests.spawn(send(bucket.clone(), intensity, arrivals.clone()));
            }
            Taken::At(at) => {
                bucket.want(now, 100);
                let _ = tokio::time::timeout_at(at.min(end), woken.notified()).await;
            }
            Taken::Asked => {
                bucket.want(now, 100);
                let _ = tokio::time::timeout_at(end, woken.notified()).await;
            }
        }
    }
    bucket.want(Instant::now(), 0);
    requests.join_all().await;
}

/// Leaves soon and arrives some time later.
async fn send(bucket: Arc<PortalBucket>, intensity: Intensity, arrivals: Arrivals) {
    let connecting = Duration::from_micros(rand::rng().random_range(0..3_000));
    tokio::time::sleep(connecting).await;
    let now = Instant::now();
    bucket.departed(now);
    // The longest way that is reckoned with for this bucket.
    let longest = 0.01 * f64::from(intensity.burst) / intensity.per_second;
    let way = Duration::from_secs_f64(rand::rng().random_range(0.0..longest));
    arrivals.0.lock().unwrap().push(now + way);
}
