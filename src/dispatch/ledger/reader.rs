//! Reads the ledger: what is asked for while reads are on their way shares the next one.

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::error::Unavailable;
use store::Store;
use store::ledger::{Id, Row};

/// The most calls that one read is for.
const ROWS: usize = 256;

/// The most reads at the same time: far away, a call waits for half a round trip until it is read.
const READS: usize = 2;

/// A call to be read.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) id: Id,
    pub(super) reply: oneshot::Sender<Result<Option<Row>, Unavailable>>,
}

/// Reads until `stopped`.
pub(super) async fn run(
    store: Store,
    mut asked: mpsc::UnboundedReceiver<Read>,
    stopped: CancellationToken,
) {
    let mut reading = FuturesUnordered::new();
    let reads = async {
        let mut waiting = Vec::new();
        loop {
            tokio::select! {
                biased;
                Some(()) = reading.next() => {}
                _ = asked.recv_many(&mut waiting, ROWS), if reading.len() < READS => {
                    if waiting.is_empty() {
                        break;
                    }
                    reading.push(read(&store, std::mem::take(&mut waiting)));
                }
            }
        }
    };
    stopped.run_until_cancelled(reads).await;
}

async fn read(store: &Store, asked: Vec<Read>) {
    // Those whose callers have left are not read.
    let asked = asked.into_iter().filter(|read| !read.reply.is_closed());
    let (ids, replies): (Vec<_>, Vec<_>) = asked.map(|read| (read.id, read.reply)).unzip();
    if ids.is_empty() {
        return;
    }
    match store.ledger_rows(&ids).await {
        Ok(rows) => {
            for (reply, row) in replies.into_iter().zip(rows) {
                let _ = reply.send(row.map_err(Unavailable::from));
            }
        }
        Err(error) => {
            let error = Unavailable::from(error);
            for reply in replies {
                let _ = reply.send(Err(error.clone()));
            }
        }
    }
}
