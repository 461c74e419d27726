//! The connections of the end point: few, short, and one request each.

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

/// How many connections there may be. More wait to be accepted.
const CONNECTIONS: usize = 256;
/// How long the head of a request may take.
const HEAD: Duration = Duration::from_secs(5);
/// How long a connection may last, its answer included. Bitrix24 gives up on handlers earlier.
const CONNECTION: Duration = Duration::from_secs(15);
/// The size of the head, in bytes. What Bitrix24 and a proxy in front write has about one thousand.
const HEAD_BYTES: usize = 16 * 1024;
/// The number of headers.
const HEADERS: usize = 64;
/// How long requests that have arrived may still be read when the service stops.
const LAST_ANSWERS: Duration = Duration::from_secs(2);
/// How long accepting pauses when the machine has no more sockets to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts connections until `stop` completes, and waits a moment for those that are open.
pub(super) async fn serve(listener: TcpListener, work: Arc<Work>, stop: impl Future<Output = ()>) {
    let (open, cut) = (TaskTracker::new(), CancellationToken::new());
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let accepting = async {
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                return;
            };
            match listener.accept().await {
                Ok((stream, _)) => {
                    let serving = connection(stream, Arc::clone(&work), cut.clone());
                    open.spawn(async move {
                        serving.await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
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
    // How a connection ends is nothing to anybody but its client.
    tokio::select! {
        _ = tokio::time::timeout(CONNECTION, serving) => {}
        () = cut.cancelled() => {}
    }
}
