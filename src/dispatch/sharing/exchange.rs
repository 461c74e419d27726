//! The task that exchanges with the other replicas, through the database.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::RngExt;
use tokio_util::sync::CancellationToken;

use super::registry::{Entry, Registry, SharingState, now};
use crate::telemetry::chain;
use pacing::sharing::{Account, AccountRow, Ask, BucketConfig, Grant, SharedBucket, lock};
use store::{StoreError, StoredBudget};

/// How long an exchange may take. Calls wait for it, and are better served by an isolated part.
const TIMEOUT: Duration = Duration::from_millis(300);

/// The most portals of one exchange. Their rows are locked until its end.
const AT_ONCE: usize = 100;

/// The bounds of the time between two probes of a database that does not respond.
const FIRST_PROBE: Duration = Duration::from_millis(100);
const LAST_PROBE: Duration = Duration::from_secs(1);

/// How long the rows of quiet portals are kept, and how often older ones are deleted.
const KEPT: Duration = Duration::from_hours(24);
const CLEANING: Duration = Duration::from_hours(1);

/// One portal's part of an exchange.
struct PortalExchange {
    entry: Arc<Entry>,
    config: BucketConfig,
    ask: Ask,
}

/// Exchanges until `stop`.
pub(super) async fn run(registry: Arc<Registry>, stop: CancellationToken) {
    let work = async {
        tokio::join!(
            exchange_without_end(&registry),
            clean_without_end(&registry)
        );
    };
    stop.run_until_cancelled(work).await;
}

async fn exchange_without_end(registry: &Registry) {
    loop {
        let entries = registry.schedule.next(AT_ONCE).await;
        let asked = ask(registry, entries);
        if asked.is_empty() {
            continue;
        }
        let exchanged = tokio::time::timeout(TIMEOUT, exchange(registry, &asked)).await;
        let exchanged = exchanged.unwrap_or_else(|_| Err(StoreError::timeout()));
        match exchanged {
            Ok(grants) => grant(registry, asked, grants),
            Err(error) => {
                isolate(registry, &error);
                until_back(registry).await;
                rejoin(registry);
            }
        }
    }
}

fn ask(registry: &Registry, mut entries: Vec<Arc<Entry>>) -> Vec<PortalExchange> {
    entries.sort_by(|one, other| one.portal.cmp(&other.portal));
    let now = now();
    let mut asked = Vec::new();
    for entry in entries {
        let mut bucket = lock(&entry.bucket);
        let config = registry.config(bucket.config().limit);
        bucket.configure(config);
        match bucket.ask(now) {
            Some(ask) => {
                drop(bucket);
                asked.push(PortalExchange { entry, config, ask });
            }
            None => registry.set_due(&entry, bucket.due()),
        }
    }
    asked
}

async fn exchange(
    registry: &Registry,
    asked: &[PortalExchange],
) -> Result<Vec<Option<Grant>>, StoreError> {
    let by_portal: HashMap<&str, &PortalExchange> = asked
        .iter()
        .map(|asked| (asked.entry.portal.as_str(), asked))
        .collect();
    let mut grants = HashMap::new();
    let change = |row: &mut StoredBudget, now: i64| {
        let Some(asked) = by_portal.get(row.portal.as_str()) else {
            return;
        };
        let stored = AccountRow {
            level: row.level,
            updated_at: row.updated_at,
            leases: std::mem::take(&mut row.leases),
            operating: std::mem::take(&mut row.operating),
        };
        let mut account = Account::read(&stored, asked.config);
        let grant = account.exchange(asked.config, &registry.replica, &asked.ask, now);
        let AccountRow {
            level,
            updated_at,
            leases,
            operating,
        } = account.write();
        *row = StoredBudget {
            portal: std::mem::take(&mut row.portal),
            level,
            updated_at,
            leases,
            operating,
        };
        grants.insert(row.portal.clone(), grant);
    };
    let portals: Vec<String> = asked
        .iter()
        .map(|asked| asked.entry.portal.clone())
        .collect();
    registry.budgets.exchange(&portals, change).await?;
    Ok(portals.iter().map(|portal| grants.remove(portal)).collect())
}

fn grant(registry: &Registry, asked: Vec<PortalExchange>, grants: Vec<Option<Grant>>) {
    let now = now();
    for (asked, grant) in asked.into_iter().zip(grants) {
        let Some(grant) = grant else { continue };
        let entry = asked.entry;
        let is_waited_for = {
            let mut bucket = lock(&entry.bucket);
            let is_waited_for = bucket.granted(now, &grant);
            registry.set_due(&entry, bucket.due());
            is_waited_for
        };
        if is_waited_for {
            entry.wake();
        }
        if grant.credit_after.is_some() {
            registry.forget_if_unused(&entry);
        }
    }
}

fn isolate(registry: &Registry, error: &StoreError) {
    // Not the begin of the exchange: others may have got permits for what has drained since.
    let since = now();
    registry.state.send_replace(SharingState::Isolated);
    let error = chain(error);
    let living = registry.living();
    tracing::warn!(
        error,
        living,
        "store does not respond in time; this replica is isolated and uses its part of each \
         portal's rate limit"
    );
    each(registry, Some(since), |bucket, now| {
        bucket.isolate(since, now);
    });
}

async fn until_back(registry: &Registry) {
    let mut wait = FIRST_PROBE;
    loop {
        tokio::time::sleep(about(wait)).await;
        let probed = tokio::time::timeout(TIMEOUT, registry.budgets.probe()).await;
        if matches!(probed, Ok(Ok(()))) {
            return;
        }
        wait = (wait * 2).min(LAST_PROBE);
    }
}

fn rejoin(registry: &Registry) {
    registry.state.send_replace(SharingState::Shared);
    tracing::info!("store responds again; replicas share the portals' rate limits again");
    each(registry, None, SharedBucket::rejoin);
}

/// Changes every bucket, and wakes its user.
fn each(
    registry: &Registry,
    isolated_since: Option<Instant>,
    act: impl Fn(&mut SharedBucket, Instant),
) {
    for entry in registry.set_isolated(isolated_since) {
        {
            let mut bucket = lock(&entry.bucket);
            act(&mut bucket, now());
            registry.set_due(&entry, bucket.due());
        }
        entry.wake();
        registry.forget_if_unused(&entry);
    }
}

async fn clean_without_end(registry: &Registry) {
    loop {
        tokio::time::sleep(about(CLEANING)).await;
        if let Err(error) = registry.budgets.forget(KEPT).await {
            let error = chain(&error);
            tracing::debug!(error, "budgets of quiet portals were not deleted");
        }
        for entry in registry.entries() {
            registry.forget_if_unused(&entry);
        }
    }
}

/// Spreads a time, so that replicas that start together do not act together.
fn about(time: Duration) -> Duration {
    time.mul_f64(rand::rng().random_range(0.7..1.3))
}
