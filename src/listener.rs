//! Accepts connections, for every port of the process.

use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::TokioTimer;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

/// How long accepting pauses when the machine is out of sockets.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long the head of an HTTP/1.1 request may take, or the next one on the same connection.
const HEAD: Duration = Duration::from_secs(5);
/// The size of a head, in bytes. Heads of Bitrix24, of proxies and of Prometheus have about one
/// thousand.
const HEAD_BYTES: usize = 16 * 1024;
/// The number of headers.
const HEADERS: usize = 64;

/// Accepts connections until `stop` completes, at most `maximum` at once; more wait to be accepted.
/// Returns those that are open then.
pub(crate) async fn accept<F>(
    listener: TcpListener,
    maximum: Option<usize>,
    serve: impl Fn(TcpStream) -> F,
    stop: impl Future<Output = ()>,
) -> TaskTracker
where
    F: Future<Output = ()> + Send + 'static,
{
    let open = TaskTracker::new();
    let slots = Arc::new(Semaphore::new(maximum.unwrap_or(Semaphore::MAX_PERMITS)));
    let accepting = async {
        while let Ok(slot) = Arc::clone(&slots).acquire_owned().await {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    tracing::trace!(%peer, "a connection was accepted");
                    // Without it the kernel would hold small responses back.
                    let _ = stream.set_nodelay(true);
                    let serving = serve(stream);
                    open.spawn(async move {
                        serving.await;
                        drop(slot);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "could not accept a connection");
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
    open
}

/// The limits of an HTTP/1.1 connection.
pub(crate) fn http1() -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEADERS);
    http
}
