//! One HTTP/2 connection, from its preface to its end.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::Service;
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until};

use super::answer::{Answer, Answering, InProgress};
use super::life::{Life, Seen, Step};
use super::link::Link;
use super::received::Received;
use super::socket::Socket;
use crate::call::Arrivals;
use crate::listener::Cause;
use crate::metrics::ConnectionEnd;
use crate::server::about::is_about_the_server;
use crate::server::call::{CallFuture, CallService};
use crate::server::unary::Unary;

/// The calls of a connection.
pub(super) struct Calls<O> {
    pub(super) calls: CallService<O>,
    /// The service whose calls are sensitive to the order in which they arrive.
    pub(super) in_order: &'static str,
    pub(super) arrivals: Arrivals,
    pub(super) link: Arc<Link>,
}

impl<O: Unary> Service<Request<Incoming>> for Calls<O> {
    type Response = Response<Answer>;
    type Error = Infallible;
    type Future = Answering<CallFuture>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let mut request = request.map(|body| Received::new(body, &self.link));
        let path = request.uri().path();
        let in_progress = InProgress::new(Arc::clone(&self.link), !is_about_the_server(path));
        if is_of(path, self.in_order) {
            request.extensions_mut().insert(self.arrivals.next());
        }
        // At once, in the task of the connection: what is refused holds nothing.
        Answering::new(self.calls.call(request), in_progress)
    }
}

/// Serves a connection until it ends, and says how.
pub(super) async fn serve<T, O>(
    http: &http2::Builder<TokioExecutor>,
    stream: T,
    calls: Calls<O>,
    mut life: Life,
) -> ConnectionEnd
where
    T: AsyncRead + AsyncWrite + Unpin,
    O: Unary,
{
    let link = Arc::clone(&calls.link);
    let socket = Socket::new(stream, Arc::clone(&link));
    let mut serving = pin!(http.serve_connection(socket, calls));
    let mut timer = pin!(sleep_until(life.next()));
    std::future::poll_fn(move |context| {
        loop {
            if let Poll::Ready(served) = serving.as_mut().poll(context) {
                if let Err(error) = served {
                    tracing::debug!(%error, "connection failed");
                }
                return Poll::Ready(life.end());
            }
            link.recall.register(context);
            if let Some(cause) = link.recall.is_cut() {
                return Poll::Ready(end_of(cause));
            }
            let step = match link.recall.leaves().filter(|_| !life.is_leaving()) {
                Some(cause) => {
                    life.leave(end_of(cause), Instant::now());
                    Step::Leave
                }
                None if timer.as_mut().poll(context).is_pending() => return Poll::Pending,
                None => {
                    let seen = Seen {
                        is_authenticated: link.peer.is_authenticated(),
                        is_quiet: link.is_quiet(),
                        has_items: link.peer.has_items(),
                    };
                    life.look(Instant::now(), seen)
                }
            };
            match step {
                Step::Wait => {}
                Step::Leave => serving.as_mut().graceful_shutdown(),
                Step::Cut(end) => return Poll::Ready(end),
            }
            timer.as_mut().reset(life.next());
        }
    })
    .await
}

/// How a connection ends that was told to.
pub(super) fn end_of(cause: Cause) -> ConnectionEnd {
    match cause {
        Cause::Stop => ConnectionEnd::Stop,
        Cause::Evicted => ConnectionEnd::Evicted,
        Cause::Unread => ConnectionEnd::Unread,
        Cause::ResetFlood => ConnectionEnd::ResetFlood,
        Cause::Unauthenticated => ConnectionEnd::Unauthenticated,
    }
}

/// Whether the path names a method of the service (gRPC over HTTP/2, "Path").
fn is_of(path: &str, service: &str) -> bool {
    path.strip_prefix('/')
        .and_then(|path| path.strip_prefix(service))
        .is_some_and(|method| method.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::is_of;

    #[test]
    fn a_path_names_a_service_and_a_method() {
        assert!(is_of("/a.b.Service/Call", "a.b.Service"));
        for other in [
            "/a.b.Services/Call",
            "/a.b.Service",
            "a.b.Service/Call",
            "/",
        ] {
            assert!(!is_of(other, "a.b.Service"), "{other}");
        }
    }
}
