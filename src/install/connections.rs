//! The connections of the endpoint: few, short, and one request each.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::entrance;
use super::work::Work;

/// The most open connections. More wait to be accepted.
const CONNECTIONS: usize = 256;
/// Timeout for the head of a request.
const HEAD: Duration = Duration::from_secs(5);
/// The longest duration of a connection. Bitrix24 gives up on handlers earlier.
const CONNECTION: Duration = Duration::from_secs(15);
/// Largest head, in bytes. Those of Bitrix24 behind a proxy have about 1,000.
const HEAD_BYTES: usize = 16 * 1024;
/// The most headers.
const HEADERS: usize = 64;
/// Timeout for open requests during a graceful shutdown.
const LAST_ANSWERS: Duration = Duration::from_secs(2);
/// The pause after a failed accept, such as for lack of sockets.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts connections until `stop` completes, then waits shortly for open ones.
pub(super) async fn serve(listener: TcpListener, work: Arc<Work>, stop: impl Future<Output = ()>) {
    let (open, cut) = (TaskTracker::new(), CancellationToken::new());
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    let accepting = async {
        loop {
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
                return;
            };
            match listener.accept().await {
                Ok((stream, _)) => {
                    let serving = connection(stream, Arc::clone(&work), cut.clone());
                    open.spawn(async move {
                        serving.await;
                        drop(slot);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    tokio::select! {
        () = accepting => {}
        () = stop => {}
    }
    open.close();
    if tokio::time::timeout(LAST_ANSWERS, open.wait())
        .await
        .is_err()
    {
        cut.cancel();
        open.wait().await;
    }
}

async fn connection(stream: TcpStream, work: Arc<Work>, cut: CancellationToken) {
    let service = service_fn(move |request| {
        let work = Arc::clone(&work);
        async move { Ok::<_, Infallible>(entrance::answer(request, &work).await) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEADERS)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    // Only the client cares about the end of its connection.
    tokio::select! {
        _ = tokio::time::timeout(CONNECTION, serving) => {}
        () = cut.cancelled() => {}
    }
}
