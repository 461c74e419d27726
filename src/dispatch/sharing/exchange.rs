//! The task that exchanges with the other replicas, through the database.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::backoff::{Backoff, about};
use super::patience::Patience;
use super::registry::{Entry, Registry, SharingState, now};
use crate::telemetry::chain;
use pacing::sharing::{Ask, BucketConfig, Grant, SharedBucket, follow, lock, write_ask};
use store::{Asked, KnownAccount, StoreError};

/// The most portals of one exchange. Their rows are locked until its end.
const AT_ONCE: usize = 100;

/// The most portals of an exchange that may end the isolation. The others follow if it succeeds.
const PROBED: usize = 10;

/// How long the connection is left without an exchange. Something between us and the database may
/// forget a connection that is quiet for longer, and then the next exchange would be lost.
const QUIET: Duration = Duration::from_secs(30);

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
    let (mut patience, mut backoff) = (Patience::default(), Backoff::new());
    // The first exchange reports what is wrong.
    let _ = connect(registry, &patience).await;
    loop {
        let due = tokio::time::timeout(QUIET, registry.schedule.next(AT_ONCE));
        let Ok(entries) = due.await else {
            // If it fails, the connection is replaced, and no call has waited for it.
            let _ = exchange(registry, &[], &mut patience).await;
            continue;
        };
        let asked = ask(registry, entries);
        if asked.is_empty() {
            continue;
        }
        match exchange(registry, &asked, &mut patience).await {
            Ok(grants) => grant(registry, asked, grants),
            Err(error) => {
                isolate(registry, &error);
                backoff.begin(tokio::time::Instant::now());
                until_back(registry, &mut patience, &mut backoff).await;
                backoff.end(tokio::time::Instant::now());
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

/// The messages of an exchange that ends the isolation if it succeeds.
fn probe(registry: &Registry) -> Vec<PortalExchange> {
    let now = now();
    let entries = registry.entries().into_iter();
    let probed = entries.filter_map(|entry| {
        let mut bucket = lock(&entry.bucket);
        let config = registry.config(bucket.config().limit);
        bucket.configure(config);
        let ask = bucket.probe(now)?;
        drop(bucket);
        Some(PortalExchange { entry, config, ask })
    });
    let mut probed: Vec<_> = probed.take(PROBED).collect();
    probed.sort_by(|one, other| one.entry.portal.cmp(&other.entry.portal));
    probed
}

/// Returns the response for each portal.
async fn exchange(
    registry: &Registry,
    asked: &[PortalExchange],
    patience: &mut Patience,
) -> Result<Vec<Grant>, StoreError> {
    let exchanged = async {
        connect(registry, patience).await?;
        let begun = now();
        let limit = patience.statement();
        let exchanged = tokio::time::timeout(limit, exchange_once(registry, asked)).await;
        let exchanged = exchanged.unwrap_or_else(|_| Err(StoreError::timeout()))?;
        Ok((exchanged, now() - begun))
    };
    match exchanged.await {
        Ok((grants, took)) => {
            patience.took(took);
            Ok(grants)
        }
        Err(error) => {
            patience.failed();
            Err(error)
        }
    }
}

async fn connect(registry: &Registry, patience: &Patience) -> Result<(), StoreError> {
    let connected = tokio::time::timeout(patience.connecting(), registry.budgets.connect()).await;
    connected.unwrap_or_else(|_| Err(StoreError::timeout()))
}

async fn exchange_once(
    registry: &Registry,
    asked: &[PortalExchange],
) -> Result<Vec<Grant>, StoreError> {
    let messages = asked.iter().map(|PortalExchange { entry, config, ask }| {
        let ask = Ask {
            number: registry.next_ask(),
            ..ask.clone()
        };
        Asked {
            portal: entry.portal.clone(),
            ask: write_ask(&registry.replica, *config, &ask),
            known: lock(&entry.known).take(),
        }
    });
    let messages: Vec<_> = messages.collect();
    let rows = registry.budgets.exchange(&messages).await?;
    let rows = rows.into_iter().map(|row| (row.portal.clone(), row));
    let mut rows: HashMap<_, _> = rows.collect();
    let grants = asked.iter().map(|PortalExchange { entry, config, .. }| {
        let followed = rows.remove(&entry.portal).and_then(|row| {
            let (account, grant) = follow(&row.account, &row.asks, *config)?;
            let asks = i64::try_from(row.asks.len()).unwrap_or(0);
            let number = row.number.saturating_add(asks);
            *lock(&entry.known) = Some(KnownAccount { number, account });
            Some(grant)
        });
        followed.ok_or_else(|| StoreError::Corrupt("the account of a portal".to_owned()))
    });
    grants.collect()
}

fn grant(registry: &Registry, asked: Vec<PortalExchange>, grants: Vec<Grant>) {
    let now = now();
    for (asked, grant) in asked.into_iter().zip(grants) {
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

/// Tries exchanges until one succeeds.
async fn until_back(registry: &Registry, patience: &mut Patience, backoff: &mut Backoff) {
    loop {
        tokio::time::sleep(backoff.wait()).await;
        // Before the buckets are asked: what they tell is to be new.
        if connect(registry, patience).await.is_err() {
            patience.failed();
            continue;
        }
        let asked = probe(registry);
        match exchange(registry, &asked, patience).await {
            Ok(grants) => return grant(registry, asked, grants),
            Err(_) => {
                for asked in asked {
                    lock(&asked.entry.bucket).unanswered();
                }
            }
        }
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
