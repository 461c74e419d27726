//! Deletes from the ledger what has expired.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use store::Store;

/// The time between two cleanings. Each replica cleans; what one has deleted the other does not find.
const INTERVAL: Duration = Duration::from_secs(60);

/// Rows that are deleted at once: a few milliseconds' work, for which writers wait.
const CHUNK: u32 = 500;

/// Cleans until `stopped`.
pub(super) async fn clean(store: Store, stopped: CancellationToken) {
    let cleaning = async {
        loop {
            match store.clean_ledger(CHUNK).await {
                // There may be more. Those who want to write come first.
                Ok(cleaned) if cleaned >= u64::from(CHUNK) => tokio::task::yield_now().await,
                Ok(_) => pause().await,
                Err(error) => {
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::warn!(%error, cause, "the ledger cannot be cleaned now");
                    pause().await;
                }
            }
        }
    };
    stopped.run_until_cancelled(cleaning).await;
}

/// Some chance keeps replicas that were started together from cleaning together.
async fn pause() {
    let share = rand::random_range(0.5..1.5);
    tokio::time::sleep(INTERVAL.mul_f64(share)).await;
}
