//! Keeps the directory up to date with changes by all replicas.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Directory;
use crate::metrics::Metrics;
use crate::telemetry::chain;
use bitrix24::TenantId;
use store::StoreError;

/// Interval between queries for changes; each is cheap.
const INTERVAL: Duration = Duration::from_secs(1);
/// Changes per query.
const PAGE: u32 = 1000;
/// The shortest interval between counts of tenants for the metrics.
const COUNT_INTERVAL: Duration = Duration::from_secs(15);

/// Applies the store's changes until `stop`, and calls `on_change` with each tenant that has
/// changed, again if it fails. While the store is unavailable, the directory stays as it is.
pub async fn follow<OnChange>(
    directory: Directory,
    mut seen: i64,
    metrics: Metrics,
    on_change: impl Fn(TenantId) -> OnChange + Send + Sync,
    stop: CancellationToken,
) where
    OnChange: Future<Output = Result<(), StoreError>> + Send,
{
    let mut is_away = false;
    let mut has_news = true;
    let mut counted: Option<Instant> = None;
    loop {
        match catch_up(&directory, &mut seen, &on_change).await {
            Ok(changes) => {
                has_news |= changes > 0;
                metrics.directory_followed();
                if std::mem::take(&mut is_away) {
                    tracing::info!("the store is available again");
                }
            }
            Err(error) if !std::mem::replace(&mut is_away, true) => {
                let error = chain(&error);
                tracing::warn!(
                    error,
                    "the store is unavailable; cached tenants stay in use"
                );
            }
            Err(_) => {}
        }
        let is_due = counted.is_none_or(|counted| counted.elapsed() >= COUNT_INTERVAL);
        if has_news
            && is_due
            && let Ok(counts) = directory.store.count().await
        {
            metrics.tenants_counted(
                counts.tenants,
                counts.disabled,
                counts.reauthorization_required,
            );
            counted = Some(Instant::now());
            has_news = false;
        }
        if stop
            .run_until_cancelled(tokio::time::sleep(INTERVAL))
            .await
            .is_none()
        {
            return;
        }
    }
}

/// Applies all changes after `seen` and returns their number.
async fn catch_up<OnChange>(
    directory: &Directory,
    seen: &mut i64,
    on_change: &(impl Fn(TenantId) -> OnChange + Send + Sync),
) -> Result<usize, StoreError>
where
    OnChange: Future<Output = Result<(), StoreError>> + Send,
{
    let mut found = 0;
    // The counter is lower after a restore, or after a failover to a replica that lagged behind.
    let last = directory.store.last_change().await?;
    if last < *seen {
        tracing::warn!("the store went back to an earlier state; reading all tenants again");
        directory.forget();
        *seen = last;
    }
    loop {
        let changes = directory.store.changes_since(*seen, PAGE).await?;
        for id in &changes.ids {
            directory.reread(id).await?;
            on_change(id.clone()).await?;
        }
        found += changes.ids.len();
        let is_last = changes.up_to == *seen || changes.ids.is_empty();
        *seen = changes.up_to;
        if is_last {
            return Ok(found);
        }
    }
}
