//! The connections of the endpoint: few, short, and one request each.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use super::entrance;
use super::work::Work;
use crate::listener::{self, Place, Places};
use crate::workers::Workers;

/// The number of connections. Beyond it the oldest gives way: an event takes milliseconds, so the
/// old ones are those of peers that do not finish.
const CONNECTIONS: usize = 256;
/// How long requests that have arrived may still be read when the service stops.
const LAST_RESPONSES: Duration = Duration::from_secs(2);

/// Accepts connections until `stop` completes, and waits a moment for those that are open. None
/// lasts longer than `age`, its response included.
pub(super) async fn serve(
    tcp: TcpListener,
    age: Duration,
    work: Arc<Work>,
    stop: impl Future<Output = ()>,
) {
    let places = Places::new(CONNECTIONS, CONNECTIONS, || {});
    let serve = |stream, place| connection(stream, place, age, Arc::clone(&work));
    let open = listener::accept(tcp, &places, &Workers::default(), serve, stop).await;
    if tokio::time::timeout(LAST_RESPONSES, open.wait())
        .await
        .is_err()
    {
        places.cut();
        open.wait().await;
    }
}

async fn connection(stream: TcpStream, place: Place, age: Duration, work: Arc<Work>) {
    let Ok(peer) = stream.peer_addr() else {
        // It has ended already.
        return;
    };
    let peer = peer.ip();
    let service = service_fn(move |request| {
        let work = Arc::clone(&work);
        async move { Ok::<_, Infallible>(entrance::answer(request, peer, &work).await) }
    });
    let serving = listener::http1()
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    listener::serve_short(serving, place, age).await;
}
