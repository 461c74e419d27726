//! Accepts connections, for every port of the process.

mod bound;
pub(crate) mod descriptors;
mod places;
mod recall;

use std::pin::pin;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::TokioTimer;
use hyper_util::server::graceful::GracefulConnection;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

pub(crate) use self::bound::Port;
pub(crate) use self::places::{Keeper, Place, Places};
pub(crate) use self::recall::{Cause, Recall};
use crate::workers::{self, Workers};

/// How long accepting pauses when the machine is out of sockets.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long the head of an HTTP/1.1 request may take, or the next one on the same connection.
const HEAD: Duration = Duration::from_secs(5);
/// The size of a head, in bytes. Heads of Bitrix24, of proxies and of Prometheus have about one
/// thousand.
const HEAD_BYTES: usize = 16 * 1024;
/// The number of headers.
const HEADERS: usize = 64;
/// What the kernel may hold of responses that a peer has not taken, in bytes; it doubles that. By
/// itself it would let a peer that reads nothing have megabytes.
const SEND_BUFFER_BYTES: usize = 128 * 1024;
/// How long a response may still take when its connection has reached its age.
const LAST_RESPONSE: Duration = Duration::from_secs(2);

/// Accepts connections until `stop` completes, as many as there are `places`. Returns those that
/// are open then.
pub(crate) async fn accept<F>(
    listener: TcpListener,
    places: &Places,
    workers: &Workers,
    serve: impl Fn(TcpStream, Place) -> F,
    stop: impl Future<Output = ()>,
) -> TaskTracker
where
    F: Future<Output = ()> + Send + 'static,
{
    let open = TaskTracker::new();
    let accepting = async {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let Some(mut place) = places.take().await else {
                        tracing::debug!(%peer, "a connection was refused: all places are taken");
                        continue;
                    };
                    tracing::trace!(%peer, "a connection was accepted");
                    // Without it the kernel would hold small responses back.
                    let _ = stream.set_nodelay(true);
                    let _ = SockRef::from(&stream).set_send_buffer_size(SEND_BUFFER_BYTES);
                    let worker = workers.choose();
                    if let Some(worker) = &worker {
                        place.count_kept(worker.kept());
                    }
                    let serve = |stream| serve(stream, place);
                    if let Err(error) = workers::serve(worker, &open, stream, serve) {
                        tracing::warn!(%error, "could not hand a connection over");
                    }
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

/// Serves an HTTP/1.1 connection until it ends or its place is taken away. At its `age` it may only
/// finish the response that it is about, for a moment: a peer that does not read cannot hold it.
pub(crate) async fn serve_short(connection: impl GracefulConnection, place: Place, age: Duration) {
    let mut connection = pin!(connection);
    let recall = place.recall();
    let served = async {
        if tokio::time::timeout(age, connection.as_mut())
            .await
            .is_err()
        {
            connection.as_mut().graceful_shutdown();
            let _ = tokio::time::timeout(LAST_RESPONSE, connection).await;
        }
    };
    // The end of a connection concerns its client only.
    tokio::select! {
        () = served => {}
        () = recall.cut() => {}
    }
}
