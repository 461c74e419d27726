//! The task that speaks with the database.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::account::Account;
use super::messages::{Ask, Grant};
use super::terms::Terms;
use super::{Entry, Inner, SharedBucket, State, lock};
use crate::telemetry::chain;
use store::{StoreError, StoredBudget};

/// How long an exchange may take. Behind it calls wait, and would rather have a part of the bucket.
const PATIENCE: Duration = Duration::from_millis(300);

/// How many portals one exchange is about. Their rows are locked until its end.
const AT_ONCE: usize = 100;

/// How often it is tried whether the database is back: soon at first.
const FIRST_TRY: Duration = Duration::from_millis(100);
const LAST_TRY: Duration = Duration::from_secs(1);

/// How long the rows of quiet portals are kept, and how often the older ones are deleted.
const KEPT: Duration = Duration::from_hours(24);
const CLEANING: Duration = Duration::from_hours(1);

/// What one portal asks in an exchange.
struct Asked {
    entry: Arc<Entry>,
    terms: Terms,
    ask: Ask,
}

/// Exchanges until `stop`.
pub(super) async fn run(inner: Arc<Inner>, stop: CancellationToken) {
    let work = async {
        tokio::join!(exchange_without_end(&inner), clean_without_end(&inner));
    };
    stop.run_until_cancelled(work).await;
}

async fn exchange_without_end(inner: &Inner) {
    loop {
        let entries = inner.schedule.next(AT_ONCE).await;
        let asked = ask(inner, entries);
        if asked.is_empty() {
            continue;
        }
        let exchanged = tokio::time::timeout(PATIENCE, exchange(inner, &asked)).await;
        let exchanged = exchanged.unwrap_or_else(|_| Err(StoreError::timeout()));
        match exchanged {
            Ok(grants) => grant(inner, asked, grants),
            Err(error) => {
                be_alone(inner, &error);
                until_back(inner).await;
                be_together(inner);
            }
        }
    }
}

fn ask(inner: &Inner, entries: Vec<Arc<Entry>>) -> Vec<Asked> {
    let now = Instant::now();
    let mut asked = Vec::new();
    for entry in entries {
        let mut bucket = lock(&entry.bucket);
        let terms = inner.terms(bucket.terms().intensity);
        bucket.agree(terms);
        match bucket.demand(now) {
            Some(ask) => {
                drop(bucket);
                asked.push(Asked { entry, terms, ask });
            }
            None => inner.schedule.set(&entry, bucket.due()),
        }
    }
    asked
}

async fn exchange(inner: &Inner, asked: &[Asked]) -> Result<Vec<Option<Grant>>, StoreError> {
    let portals: Vec<String> = asked
        .iter()
        .map(|asked| asked.entry.portal.clone())
        .collect();
    let by_portal: HashMap<&str, &Asked> = asked
        .iter()
        .map(|asked| (asked.entry.portal.as_str(), asked))
        .collect();
    let mut grants = HashMap::new();
    let change = |row: &mut StoredBudget, now: i64| {
        let Some(asked) = by_portal.get(row.portal.as_str()) else {
            return;
        };
        let mut account = Account::read(row, asked.terms);
        let grant = account.exchange(asked.terms, &inner.replica, &asked.ask, now);
        account.write(row);
        grants.insert(row.portal.clone(), grant);
    };
    inner.budgets.exchange(&portals, change).await?;
    Ok(portals.iter().map(|portal| grants.remove(portal)).collect())
}

fn grant(inner: &Inner, asked: Vec<Asked>, grants: Vec<Option<Grant>>) {
    let now = Instant::now();
    for (asked, grant) in asked.into_iter().zip(grants) {
        let Some(grant) = grant else { continue };
        let entry = asked.entry;
        let told = &asked.ask.reports;
        lock(&entry.hearsay).hear(&grant.reports, told, now);
        let is_waited_for = {
            let mut bucket = lock(&entry.bucket);
            let is_waited_for = bucket.granted(now, &grant);
            inner.schedule.set(&entry, bucket.due());
            is_waited_for
        };
        if is_waited_for {
            entry.wake();
        }
        if grant.rest.is_some() {
            inner.forget_if_unused(&entry);
        }
    }
}

fn be_alone(inner: &Inner, error: &StoreError) {
    // Not from when the exchange has begun: meanwhile others may have got permits for what has drained.
    let since = Instant::now();
    inner.state.send_replace(State::Alone);
    let error = chain(error);
    let living = inner.living();
    tracing::warn!(
        error,
        living,
        "the store does not answer in time; of each portal's requests this replica sends its part"
    );
    each(inner, Some(since), |bucket, now| {
        bucket.left_alone(since, now);
    });
}

async fn until_back(inner: &Inner) {
    let mut wait = FIRST_TRY;
    loop {
        tokio::time::sleep(about(wait)).await;
        let probed = tokio::time::timeout(PATIENCE, inner.budgets.probe()).await;
        if matches!(probed, Ok(Ok(()))) {
            return;
        }
        wait = (wait * 2).min(LAST_TRY);
    }
}

fn be_together(inner: &Inner) {
    inner.state.send_replace(State::Together);
    tracing::info!("the store answers again; portals' requests are shared again");
    each(inner, None, |bucket, now| bucket.back_together(now));
}

/// Changes every bucket, and wakes its user.
fn each(inner: &Inner, alone_since: Option<Instant>, act: impl Fn(&mut SharedBucket, Instant)) {
    let entries: Vec<Arc<Entry>> = {
        let mut entries = lock(&inner.entries);
        entries.alone_since = alone_since;
        entries.by_portal.values().cloned().collect()
    };
    for entry in entries {
        {
            let mut bucket = lock(&entry.bucket);
            act(&mut bucket, Instant::now());
            inner.schedule.set(&entry, bucket.due());
        }
        entry.wake();
        inner.forget_if_unused(&entry);
    }
}

async fn clean_without_end(inner: &Inner) {
    loop {
        tokio::time::sleep(about(CLEANING)).await;
        if let Err(error) = inner.budgets.forget(KEPT).await {
            let error = chain(&error);
            tracing::debug!(error, "the budgets of quiet portals were not deleted");
        }
        let entries: Vec<Arc<Entry>> = lock(&inner.entries).by_portal.values().cloned().collect();
        for entry in entries {
            inner.forget_if_unused(&entry);
        }
    }
}

/// Replicas that begin together do not go on together.
fn about(time: Duration) -> Duration {
    time.mul_f64(rand::rng().random_range(0.7..1.3))
}

impl Entry {
    fn wake(&self) {
        let wake = lock(&self.wake).clone();
        if let Some(wake) = wake {
            wake();
        }
    }
}
