//! Replicas with calls to send, and the portal's count of what arrived.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bitrix24_openlines::testing::dispatch::sharing::Sharing;
use bitrix24_openlines::testing::tasks::Tasks;
use pacing::sharing::PortalBucket;
use pacing::{RateLimit, Taken};
use rand::RngExt;
use store::{Access, Store, StoreUrl};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::support::stores::keyring;

pub(crate) const PORTAL: &str = "portal.bitrix24.example";

/// As the standard plan, ten times as fast.
pub(crate) const FAST: RateLimit = RateLimit {
    burst: 50,
    per_second: 20.0,
};

/// Replicas of one service.
pub(crate) struct Together {
    pub(crate) replicas: Vec<Sharing>,
    tasks: Tasks,
}

impl Together {
    /// This many replicas on the database of this URL.
    pub(crate) async fn start(url: &str, number: u32) -> Self {
        let tasks = Tasks::default();
        let mut replicas = Vec::new();
        for _ in 0..number {
            let url = StoreUrl::parse(url).unwrap();
            let store = Store::open(&url, keyring(), Access::Service).await.unwrap();
            let budgets = store.budgets().unwrap();
            // So that the first exchange does not also make the first connection.
            budgets.connect().await.unwrap();
            let (_, living) = watch::channel(number);
            let sharing = Sharing::start(budgets, Uuid::new_v4(), living, &tasks);
            replicas.push(sharing);
        }
        Self { replicas, tasks }
    }

    pub(crate) async fn stop(self) {
        self.tasks.stop().await;
    }
}

/// What has arrived at the portal, and when.
#[derive(Clone, Default)]
pub(crate) struct Arrivals(Arc<Mutex<Vec<Instant>>>);

impl Arrivals {
    /// How many requests the portal accepted, and how many it rejected.
    pub(crate) fn count(&self, limit: RateLimit) -> (u32, u32) {
        let mut arrivals = self.0.lock().unwrap().clone();
        arrivals.sort();
        let (mut level, mut taken, mut rejected) = (0.0_f64, 0, 0);
        let mut before: Option<Instant> = None;
        for at in arrivals {
            let passed = before.map_or(0.0, |before| (at - before).as_secs_f64());
            level = (level - passed * limit.per_second).max(0.0);
            if level + 1.0 <= f64::from(limit.burst) {
                level += 1.0;
                taken += 1;
            } else {
                rejected += 1;
            }
            before = Some(at);
        }
        (taken, rejected)
    }

    /// Waits until the portal has accepted so many, and says how many it were.
    pub(crate) async fn reach(&self, limit: RateLimit, wanted: u32) -> u32 {
        let reached = async {
            loop {
                let (taken, _) = self.count(limit);
                if taken >= wanted {
                    return taken;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let reached = tokio::time::timeout(Duration::from_secs(60), reached).await;
        reached.expect("requests go on being sent")
    }
}

/// Sends as fast as it may through one replica, until `end`: always more requests wait than may go.
pub(crate) async fn send_until(
    end: Instant,
    sharing: Sharing,
    limit: RateLimit,
    arrivals: Arrivals,
) {
    let woken = Arc::new(Notify::new());
    let wake = woken.clone();
    let bucket = sharing.bucket(PORTAL, limit, move || wake.notify_one());
    let bucket = Arc::new(bucket);
    let mut requests = JoinSet::new();
    while Instant::now() < end {
        let now = Instant::now();
        match bucket.take(now) {
            Taken::Granted => {
                requests.spawn(send(bucket.clone(), limit, arrivals.clone()));
            }
            Taken::At(at) => {
                bucket.want(now, 100);
                let _ = tokio::time::timeout_at(at.min(end).into(), woken.notified()).await;
            }
            Taken::Asked => {
                bucket.want(now, 100);
                let _ = tokio::time::timeout_at(end.into(), woken.notified()).await;
            }
        }
    }
    bucket.want(Instant::now(), 0);
    requests.join_all().await;
}

/// Sends a request that arrives some time later.
async fn send(bucket: Arc<PortalBucket>, limit: RateLimit, arrivals: Arrivals) {
    let connecting = Duration::from_micros(rand::rng().random_range(0..3_000));
    tokio::time::sleep(connecting).await;
    let now = Instant::now();
    bucket.sent(now);
    // The longest transit that this bucket reckons with.
    let longest = 0.01 * f64::from(limit.burst) / limit.per_second;
    let transit = Duration::from_secs_f64(rand::rng().random_range(0.0..longest));
    arrivals.0.lock().unwrap().push(now + transit);
}
