//! Deletes expired rows of the ledger.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use store::Store;

/// The time between two cleanings. Every replica cleans.
const INTERVAL: Duration = Duration::from_secs(60);

/// Rows per statement: writers wait a few milliseconds for it.
const CHUNK: u32 = 500;

/// Cleans until `stopped`.
pub(super) async fn clean(store: Store, stopped: CancellationToken) {
    let cleaning = async {
        loop {
            match store.clean_ledger(CHUNK).await {
                // There may be more. Waiting writers go first.
                Ok(cleaned) if cleaned >= u64::from(CHUNK) => tokio::task::yield_now().await,
                Ok(_) => pause().await,
                Err(error) => {
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::warn!(%error, cause, "expired rows of the ledger were not deleted");
                    pause().await;
                }
            }
        }
    };
    stopped.run_until_cancelled(cleaning).await;
}

/// Random, so that replicas that start together do not clean together.
async fn pause() {
    let share = rand::random_range(0.5..1.5);
    tokio::time::sleep(INTERVAL.mul_f64(share)).await;
}
