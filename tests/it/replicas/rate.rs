//! Together replicas use the whole rate limit, and never more.

use std::time::{Duration, Instant};

use bitrix24_openlines::testing::settings::Environment;
use pacing::sharing::{OperatingReport, PortalBucket};
use pacing::{RateLimit, Taken};
use tokio::task::JoinSet;

use super::together::{Arrivals, FAST, PORTAL, Together, send_until};
use crate::support::stores::{Stores, keyring};
use crate::support::until;

/// `real`: a minute of the standard plan in each case, instead of six seconds of one that is ten
/// times as fast. Then the whole bar is held too, which a slow machine would miss.
pub(super) const FIGURES: &str = "OPENLINES_TEST_SHARING";

const STANDARD: RateLimit = RateLimit {
    burst: 50,
    per_second: 2.0,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_together_use_the_whole_budget_and_never_exceed_it() {
    let real = Environment::of_process().get(FIGURES) == Some(Ok("real"));
    for (replicas, with_calls) in [(1, 1), (2, 2), (3, 3), (2, 1), (3, 1)] {
        // Each with a portal that was not called yet.
        let Some(stores) = Stores::postgresql().await else {
            return;
        };
        let (limit, seconds, bar) = if real {
            (STANDARD, 60, 0.97)
        } else {
            // Far above the part of one replica of three, however busy the machine is.
            (FAST, 6, 0.6)
        };
        let together = Together::start(stores.url(), replicas).await;
        let (sent, rejected) = load(&together, with_calls, limit, seconds).await;
        together.stop().await;
        let whole = f64::from(limit.burst) + limit.per_second * f64::from(seconds);
        let share = f64::from(sent) / whole;
        let context = format!(
            "{replicas} replicas, {with_calls} with calls: {sent} sent, {share:.3} of the budget"
        );
        println!("{context}");
        assert_eq!(rejected, 0, "{context}");
        assert!(share >= bar, "{context}");
    }
}

async fn load(
    together: &Together,
    with_calls: usize,
    limit: RateLimit,
    seconds: u32,
) -> (u32, u32) {
    let arrivals = Arrivals::default();
    let end = Instant::now() + Duration::from_secs(seconds.into());
    let sending = together.replicas.iter().take(with_calls);
    let sending = sending.map(|replica| send_until(end, replica.clone(), limit, arrivals.clone()));
    sending.collect::<JoinSet<()>>().join_all().await;
    arrivals.count(limit)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rejection_by_the_portal_holds_every_replica_back() {
    let Some(stores) = Stores::postgresql().await else {
        return;
    };
    let together = Together::start(stores.url(), 2).await;
    // Nothing drains while the test looks.
    let limit = RateLimit {
        burst: 50,
        per_second: 0.001,
    };
    let one = together.replicas[0].bucket(PORTAL, limit, || {});
    let other = together.replicas[1].bucket(PORTAL, limit, || {});
    let take = |bucket: &PortalBucket| bucket.take(Instant::now()) == Taken::Granted;
    until("permits", || take(&one)).await;
    until("permits", || take(&other)).await;
    one.rejected(Instant::now());
    until("the rejection is known", || one.room(Instant::now()) < 1.0).await;
    until("what was granted before is used", || !take(&other)).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!take(&one));
    assert!(!take(&other));
    assert!(other.room(Instant::now()) < 1.0);
    together.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operating_time_is_reported_to_the_other_replicas() {
    let Some(stores) = Stores::postgresql().await else {
        return;
    };
    let together = Together::start(stores.url(), 2).await;
    let one = together.replicas[0].bucket(PORTAL, FAST, || {});
    let other = together.replicas[1].bucket(PORTAL, FAST, || {});
    let report = OperatingReport {
        tenant: "acme".to_owned(),
        method: "imopenlines.crm.message.add".to_owned(),
        used: 471.5,
        resets_in: Some(Duration::from_secs(90)),
        age: Duration::ZERO,
    };
    one.report(Instant::now(), report.clone());
    let read = || {
        let update = other.reports_since(0, Instant::now())?;
        update.others.first().cloned()
    };
    until("the report", || {
        // It comes with the next exchange.
        other.want(Instant::now(), 1);
        let known = read();
        known.is_some_and(|known| (known.used, known.resets_in) == (471.5, report.resets_in))
    })
    .await;
    assert!(read().unwrap().age < Duration::from_secs(60));
    together.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_sqlite_file_has_no_shared_budgets() {
    let store = Stores::sqlite().open(&keyring()).await;
    assert!(store.budgets().is_none());
}
