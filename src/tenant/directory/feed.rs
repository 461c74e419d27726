//! How the directory learns of changes, its own replica's and others'.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Directory;
use crate::metrics::Metrics;
use crate::telemetry::chain;
use store::StoreError;

/// How often changes are asked for: one cheap question each time.
const INTERVAL: Duration = Duration::from_secs(1);
/// How many changes are taken at once.
const PAGE: u32 = 1000;
/// How often tenants are counted for the metrics, at most.
const COUNT_INTERVAL: Duration = Duration::from_secs(15);

/// Follows the store's changes until `stop`. While the store is away the directory stays as it is.
pub async fn follow(
    directory: Directory,
    mut seen: i64,
    metrics: Metrics,
    stop: CancellationToken,
) {
    let mut is_away = false;
    let mut has_news = true;
    let mut counted: Option<Instant> = None;
    loop {
        match catch_up(&directory, &mut seen).await {
            Ok(changes) => {
                has_news |= changes > 0;
                metrics.directory_followed();
                if std::mem::take(&mut is_away) {
                    tracing::info!("the store answers again");
                }
            }
            Err(error) if !std::mem::replace(&mut is_away, true) => {
                let error = chain(&error);
                tracing::warn!(
                    error,
                    "the store does not answer; tenants in memory are used as they were"
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

/// Takes over all changes after `seen`, and says how many there were.
async fn catch_up(directory: &Directory, seen: &mut i64) -> Result<usize, StoreError> {
    let mut found = 0;
    // After a restore, or a failover to a server that lagged behind, the numbers begin again.
    let last = directory.store.last_change().await?;
    if last < *seen {
        tracing::warn!("the store has gone back to an earlier state; tenants are read anew");
        directory.forget();
        *seen = last;
    }
    loop {
        let changes = directory.store.changes_since(*seen, PAGE).await?;
        for id in &changes.ids {
            directory.reread(id).await?;
        }
        found += changes.ids.len();
        let is_last = changes.up_to == *seen || changes.ids.is_empty();
        *seen = changes.up_to;
        if is_last {
            return Ok(found);
        }
    }
}
