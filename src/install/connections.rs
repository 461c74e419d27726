//! The connections of the endpoint: few, short, and one request each.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::entrance;
use super::work::Work;
use crate::listener;

/// The number of connections.
const CONNECTIONS: usize = 256;
/// How long a connection may last, its response included. Bitrix24's own timeout is shorter.
const CONNECTION: Duration = Duration::from_secs(15);
/// How long requests that have arrived may still be read when the service stops.
const LAST_RESPONSES: Duration = Duration::from_secs(2);

/// Accepts connections until `stop` completes, and waits a moment for those that are open.
pub(super) async fn serve(tcp: TcpListener, work: Arc<Work>, stop: impl Future<Output = ()>) {
    let cut = CancellationToken::new();
    let serve = |stream| connection(stream, Arc::clone(&work), cut.clone());
    let open = listener::accept(tcp, Some(CONNECTIONS), serve, stop).await;
    if tokio::time::timeout(LAST_RESPONSES, open.wait())
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
    let serving = listener::http1()
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    // The end of a connection concerns its client only.
    tokio::select! {
        _ = tokio::time::timeout(CONNECTION, serving) => {}
        () = cut.cancelled() => {}
    }
}
