//! Calls about the server itself: health and reflection. They need no credential, so they are
//! limited whoever makes them (docs/adr/0028).
//!
//! A probe whose request has arrived is answered at once. A place is what one takes that sends only
//! a part of its request: if there are too many, the oldest gives way.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderName, Request, Response, header};
use http_body::{Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::Status;
use tonic::body::Body;

use super::conduct::{Conduct, WatchOfConnection};
use super::settings::AdmissionSettings;

/// The largest request of health and reflection, in bytes: they hold a name.
pub(super) const REQUEST_BYTES: usize = 4096;

const HEALTH: &str = "/grpc.health.";
const REFLECTION: &str = "/grpc.reflection.";
const WATCH: &str = "/grpc.health.v1.Health/Watch";

/// The headers that the gRPC library reads.
const NEEDED: [HeaderName; 4] = [
    header::CONTENT_TYPE,
    header::TE,
    HeaderName::from_static("grpc-encoding"),
    HeaderName::from_static("grpc-accept-encoding"),
];

/// The limits of calls about the server, and those in progress.
#[derive(Debug)]
pub(super) struct About {
    deadline: Duration,
    places: Arc<Places>,
    watches: Arc<Semaphore>,
    watches_per_connection: usize,
}

/// The calls in progress, the oldest first.
#[derive(Debug)]
struct Places {
    maximum: usize,
    calls: Mutex<Calls>,
}

#[derive(Debug, Default)]
struct Calls {
    next: u64,
    running: BTreeMap<u64, CancellationToken>,
}

/// The place of one call.
#[derive(Debug)]
struct Place {
    places: Arc<Places>,
    number: u64,
}

/// How a call about the server ended that was not answered by its service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    TimedOut,
    Evicted,
}

/// What a watch holds until it ends.
#[derive(Debug)]
struct Watch {
    _of_all: OwnedSemaphorePermit,
    _of_connection: WatchOfConnection,
}

/// Whether a path is that of a call about the server.
pub(super) fn is_about_the_server(path: &str) -> bool {
    path.starts_with(HEALTH) || path.starts_with(REFLECTION)
}

impl About {
    pub(super) fn new(settings: &AdmissionSettings) -> Self {
        Self {
            deadline: settings.health_deadline,
            places: Arc::new(Places {
                maximum: settings.health_calls,
                calls: Mutex::default(),
            }),
            watches: Arc::new(Semaphore::new(settings.watches)),
            watches_per_connection: settings.watches_per_connection,
        }
    }

    /// Serves a call. `on_eviction` is called if it has to give way.
    pub(super) fn serve<F, E>(
        &self,
        mut request: Request<Body>,
        conduct: &Arc<Conduct>,
        serve: impl FnOnce(Request<Body>) -> F,
        on_eviction: impl FnOnce() + Send + 'static,
    ) -> BoxFuture<'static, Result<Response<Body>, E>>
    where
        F: Future<Output = Result<Response<Body>, E>> + Send + 'static,
        E: Send + 'static,
    {
        let is_watch = request.uri().path() == WATCH;
        let is_stream = request.uri().path().starts_with(REFLECTION);
        let watch = match is_watch.then(|| self.watch(conduct)).transpose() {
            Ok(watch) => watch,
            Err(refused) => return std::future::ready(Ok(refused.into_http())).boxed(),
        };
        // While the request is waited for, its headers would be what takes memory.
        let all = std::mem::take(request.headers_mut());
        for (name, value) in all {
            if let Some(name) = name.filter(|name| NEEDED.contains(name)) {
                request.headers_mut().insert(name, value);
            }
        }
        let places = Arc::clone(&self.places);
        let evicted = CancellationToken::new();
        let deadline = Instant::now() + self.deadline;
        let limit = Limit::new(deadline, &evicted);
        let response = serve(request.map(|body| Body::new(Limited::new(body, limit))));
        async move {
            let mut response = Box::pin(response);
            let mut limit = Limit::new(deadline, &evicted);
            let mut place = None;
            // A call whose request has arrived needs no place, unless it is a stream.
            let answered = futures_util::poll!(&mut response);
            if is_stream || answered.is_pending() {
                place = Some(places.enter(evicted));
            }
            let response = match answered {
                Poll::Ready(response) => response?,
                Poll::Pending => tokio::select! {
                    biased;
                    ended = &mut limit => {
                        if ended == Ended::Evicted {
                            on_eviction();
                        }
                        return Ok(ended.status().into_http());
                    }
                    response = response => response?,
                },
            };
            Ok(if let Some(watch) = watch {
                response.map(|body| Body::new(Holding { body, _held: watch }))
            } else if is_stream {
                response.map(|body| {
                    let body = Body::new(Limited::new(body, limit));
                    Body::new(Holding { body, _held: place })
                })
            } else {
                response
            })
        }
        .boxed()
    }

    fn watch(&self, conduct: &Arc<Conduct>) -> Result<Watch, Status> {
        let of_all = Arc::clone(&self.watches).try_acquire_owned().ok();
        let of_connection = conduct.watch(self.watches_per_connection);
        match of_all.zip(of_connection) {
            Some((of_all, of_connection)) => Ok(Watch {
                _of_all: of_all,
                _of_connection: of_connection,
            }),
            None => Err(Status::resource_exhausted(
                "too many watches; use those that there are",
            )),
        }
    }
}

impl Places {
    /// A place, if need be that of the oldest. `evicted` is told if it is taken away again.
    fn enter(self: &Arc<Self>, evicted: CancellationToken) -> Place {
        let mut calls = self.calls();
        if calls.running.len() >= self.maximum
            && let Some((_, oldest)) = calls.running.pop_first()
        {
            oldest.cancel();
        }
        let number = calls.next;
        calls.next += 1;
        calls.running.insert(number, evicted);
        drop(calls);
        Place {
            places: Arc::clone(self),
            number,
        }
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.calls().running.remove(&self.number);
    }
}

impl Ended {
    fn status(self) -> Status {
        match self {
            Self::TimedOut => Status::deadline_exceeded("the time for the call is over"),
            Self::Evicted => Status::resource_exhausted(
                "too many calls of health and reflection whose requests have not arrived",
            ),
        }
    }
}

/// Completes when a call has to end.
#[derive(Debug)]
struct Limit {
    deadline: Pin<Box<Sleep>>,
    evicted: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Limit {
    fn new(deadline: Instant, evicted: &CancellationToken) -> Self {
        Self {
            deadline: Box::pin(tokio::time::sleep_until(deadline)),
            evicted: Box::pin(evicted.clone().cancelled_owned()),
        }
    }
}

impl Future for Limit {
    type Output = Ended;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Ended> {
        if self.evicted.poll_unpin(context).is_ready() {
            Poll::Ready(Ended::Evicted)
        } else {
            self.deadline.poll_unpin(context).map(|()| Ended::TimedOut)
        }
    }
}

/// A body that ends when its call has to.
#[derive(Debug)]
struct Limited {
    body: Body,
    limit: Limit,
    has_ended: bool,
}

impl Limited {
    fn new(body: Body, limit: Limit) -> Self {
        Self {
            body,
            limit,
            has_ended: false,
        }
    }
}

impl http_body::Body for Limited {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.has_ended {
            return Poll::Ready(None);
        }
        if let Poll::Ready(ended) = self.limit.poll_unpin(context) {
            self.has_ended = true;
            let mut trailers = HeaderMap::new();
            // Headers that cannot be written would be a bug of the library; the body ends anyway.
            let _ = ended.status().add_header(&mut trailers);
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.has_ended || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A body that holds something until it is dropped.
#[derive(Debug)]
struct Holding<T> {
    body: Body,
    _held: T,
}

impl<T: Unpin> http_body::Body for Holding<T> {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
