//! Writes what portals said, while their callers have their answers.

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Heard;
use store::Store;
use store::weekly_limits::Said;

/// How many words may wait to be written. Each is some hundred bytes.
pub(super) const MOST_WAITING: usize = 4_096;

/// The most words in one write.
const TOGETHER: usize = 128;

/// Writes until `stopped`, and then what waits. What cannot be written is lost: the portal is asked
/// once more.
pub(super) async fn run(
    store: Store,
    mut words: mpsc::Receiver<Heard>,
    stopped: CancellationToken,
) {
    loop {
        let mut heard = Vec::new();
        let number = tokio::select! {
            biased;
            number = words.recv_many(&mut heard, TOGETHER) => number,
            () = stopped.cancelled() => {
                words.close();
                words.recv_many(&mut heard, TOGETHER).await
            }
        };
        if number == 0 {
            return;
        }
        let said = heard.into_iter().map(|heard| Said {
            ago: heard.begun.elapsed(),
            ..heard.said
        });
        let said: Vec<Said> = said.collect();
        if let Err(error) = store.write_weekly_limits(&said).await {
            let error = crate::telemetry::chain(&error);
            tracing::warn!(
                error,
                lost = said.len(),
                "records of the weekly limit were not written; portals are asked once more"
            );
            if stopped.is_cancelled() {
                return;
            }
        }
    }
}
