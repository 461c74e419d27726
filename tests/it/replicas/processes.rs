//! Real processes share a portal.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bitrix24_openlines::testing::settings::Environment;
use futures_util::future::join_all;
use sandbox::Intensity;
use tokio::time::Instant;

use super::rate::FIGURES;
use super::site::{Answers, Site};
use crate::support::proxy::{Mode, Proxy};
use crate::support::stores::Stores;
use crate::support::{tell, until};

/// The way of its requests is reckoned with 50 ms, which this machine should keep.
const FAST: Intensity = Intensity {
    burst: 50,
    drain_per_second: 10.0,
};

/// What a process says when it has only its part.
const ALONE: &str = "this replica is isolated";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_use_the_whole_budget_and_never_exceed_it() {
    use_the_whole_budget(2, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_processes_use_the_whole_budget_and_never_exceed_it() {
    use_the_whole_budget(3, 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_three_processes_uses_the_whole_budget_if_only_it_has_calls() {
    use_the_whole_budget(3, 1).await;
}

async fn use_the_whole_budget(processes: usize, with_calls: usize) {
    // A machine that is busy with other tests may be too slow for a database that answers in time.
    for attempt in 1..=3 {
        let Some(stores) = Stores::postgresql().await else {
            return;
        };
        if load(&stores, processes, with_calls).await {
            return;
        }
        tell(&format!("attempt {attempt}: not the whole budget"));
    }
    panic!("the budget was not used up three times in a row");
}

/// False if the budget was not used up, or if the machine was too slow: the database did not
/// answer in time and replicas had their shares only, or requests took longer to the portal than
/// the account allows for.
async fn load(stores: &Stores, processes: usize, with_calls: usize) -> bool {
    let real = Environment::of_process().get(FIGURES) == Some(Ok("real"));
    let (bucket, seconds, bar) = if real {
        (Intensity::STANDARD, 60, 0.97)
    } else {
        // Far above the part of one replica of three, however busy the machine is.
        (FAST, 6, 0.6)
    };
    let site = Site::build(stores.url(), bucket).await;
    let running = join_all((0..processes).map(|_| site.start())).await;
    let time = Duration::from_secs(seconds);
    let (answers, end) = (Answers::default(), Instant::now() + time);
    let calling = running.iter().take(with_calls);
    let callers = 120 / with_calls;
    let calls: Vec<_> = calling
        .map(|process| site.call_until(end, process, callers, &answers))
        .collect();
    tokio::time::sleep_until(end + Duration::from_millis(100)).await;
    let (taken, refused) = site.count(time);
    // Those who wait are not waited for.
    drop(calls);
    let whole = f64::from(bucket.burst) + bucket.drain_per_second * time.as_secs_f64();
    let share = f64::from(taken) / whole;
    let told = format!(
        "{processes} processes, {with_calls} with calls: {taken} of {whole} taken, {share:.3}; {refused} refused"
    );
    tell(&told);
    let mut output = running.iter().map(|one| one.process.output());
    if output.any(|output| output.contains(ALONE)) || (!real && refused > 0) {
        return false;
    }
    assert_eq!(refused, 0, "{told}");
    share >= bar
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_database_processes_go_on_with_their_parts_and_lose_nothing() {
    let Some(stores) = Stores::postgresql().await else {
        return;
    };
    let (proxy, url) = Proxy::before(stores.url()).await;
    let site = Site::build(&url, FAST).await;
    let running = join_all((0..2).map(|_| site.start())).await;
    let (answers, end) = (Answers::default(), Instant::now() + Duration::from_secs(14));
    let calls: Vec<_> = running
        .iter()
        .map(|process| site.call_until(end, process, 20, &answers))
        .collect();

    let second = Duration::from_secs(1);
    tokio::time::sleep(second * 3).await;
    proxy.set(Mode::Cut);
    let said = |line: &str| {
        running
            .iter()
            .all(|one| one.process.output().contains(line))
    };
    until("they say that the database is away", || said(ALONE)).await;
    let before = site.count(second * 60).0;
    for one in &running {
        assert_eq!(one.sample("openlines_sharing_isolated").await, 1);
        assert_eq!(one.sample("openlines_living_replicas").await, 2);
    }
    tokio::time::sleep(second * 4).await;
    let alone = site.count(second * 60).0 - before;
    proxy.set(Mode::Open);
    until("they say that it is back", || {
        said("replicas share the portals' rate limits again")
    })
    .await;
    let back = site.count(second * 60).0;
    for one in &running {
        // A database on a busy machine may be late again for a moment.
        let patience = Instant::now() + second * 20;
        while one.sample("openlines_sharing_isolated").await != 0 {
            assert!(Instant::now() < patience, "it is still isolated");
        }
    }
    tokio::time::sleep_until(end).await;
    let together = site.count(second * 60).0 - back;
    for calls in calls {
        calls.join_all().await;
    }

    let delivered = answers.delivered.load(Ordering::Relaxed);
    let (taken, refused) = site.count(second * 60);
    let told = format!(
        "{before} before, {alone} alone, {together} together again, {taken} taken, {refused} refused, {delivered} delivered"
    );
    tell(&told);
    // One that takes longer than 50 ms to the portal, as happens on a busy machine, finds the
    // bucket full, and is sent again.
    assert!(refused <= 2, "{told}");
    // Of 40 that drain in that time.
    assert!(alone >= 25, "{told}");
    assert!(together >= 10, "{told}");
    let record = site.sandbox.record();
    let by_text = record.delivered_by_text();
    assert_eq!(u64::try_from(by_text.len()).unwrap(), delivered, "{told}");
    assert!(by_text.values().all(|times| *times == 1), "{told}");
}
