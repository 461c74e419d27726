//! The layer around every call: id, deadline, caller, admission, panic, log line.

mod admitted;
mod backend;
mod streaming;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{HeaderValue, Request, Response};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tower::ServiceExt;
use tracing::Span;

use self::admitted::Admitted;
use self::backend::Backend;
pub(super) use self::backend::LibraryRoutes;
use self::streaming::Opened;
use super::about::{About, is_about_the_server};
use super::call_id::{self, CALL_ID};
use super::deadline::{self, Timeouts};
use super::ending::{Ending, Methods, Operations};
use super::peer::Peer;
use super::protocol;
use super::renewal;
use super::reply::{self, Reply};
use super::response::{out_of_places, refuse};
use super::settings::{AdmissionSettings, ServerSettings, StreamSettings};
use super::shares::{Maximum, Shares};
use super::strangers::Strangers;
use super::unary::Unary;
use crate::auth::{Caller, Callers, Presented, Rejected};
use crate::call::{Arrival, CallContext, CallIdentity};
use crate::error::{Error, error_source};
use crate::metrics::Metrics;
use crate::telemetry::{self, Sampling};

#[derive(Clone, Debug)]
pub(super) struct CallLayer {
    gate: Arc<Gate>,
}

/// The state that all calls share.
#[derive(Debug)]
pub(super) struct Gate {
    timeouts: Timeouts,
    operations: Operations,
    callers: Callers,
    shares: Arc<Shares>,
    about: About,
    strangers: Strangers,
    maximum_request_bytes: usize,
    metrics: Metrics,
    sampling: Sampling,
    streams: StreamSettings,
    stopping: AtomicBool,
    /// Cancelled together with that: no stream is to be read any more.
    draining: CancellationToken,
    terminated: CancellationToken,
}

impl CallLayer {
    pub(super) fn new(
        timeouts: Timeouts,
        settings: &ServerSettings,
        (admission, streams): (&AdmissionSettings, StreamSettings),
        methods: Methods,
        callers: Callers,
        (metrics, sampling): (Metrics, Sampling),
    ) -> Self {
        let gate = Gate {
            timeouts,
            operations: Operations::new(methods, &metrics),
            callers,
            shares: Shares::new(Maximum {
                calls: settings.maximum_concurrent_calls,
                bytes: settings.maximum_bytes_in_progress,
                request_bytes: settings.maximum_request_bytes,
                share: admission.share,
            }),
            about: About::new(admission),
            strangers: Strangers::new(admission.refusals_per_second, metrics.clone()),
            maximum_request_bytes: settings.maximum_request_bytes,
            metrics,
            sampling,
            streams,
            stopping: AtomicBool::new(false),
            draining: CancellationToken::new(),
            terminated: CancellationToken::new(),
        };
        Self {
            gate: Arc::new(gate),
        }
    }

    /// The calls of a connection, which these operations answer, and for all others the routes.
    pub(super) fn calls<O>(&self, operations: O, routes: LibraryRoutes) -> CallService<O> {
        let backend = Backend {
            operations,
            routes,
            maximum_request_bytes: self.gate.maximum_request_bytes,
        };
        CallService {
            backend: Arc::new(backend),
            gate: Arc::clone(&self.gate),
            peer: Arc::default(),
            terminated: self.gate.terminated.child_token(),
        }
    }

    /// Refuses new calls from now on, and reads no more items of streams.
    pub(super) fn stop(&self) {
        self.gate.stopping.store(true, Ordering::Release);
        self.gate.draining.cancel();
    }

    /// Answers every call in progress with what is known of its outcome. From a broken connection
    /// gRPC clients would conclude UNAVAILABLE.
    pub(super) fn terminate(&self) {
        self.gate.terminated.cancel();
    }

    /// Tells in the log, every `interval`, how many requests were refused because of their headers.
    pub(super) async fn report_strangers(&self, interval: Duration) {
        self.gate.strangers.report(interval).await;
    }

    /// Tells the rest of that.
    pub(super) fn tell_strangers(&self) {
        self.gate.strangers.tell();
    }
}

/// The calls of one connection. Cheap to clone.
#[derive(Debug)]
pub(super) struct CallService<O> {
    backend: Arc<Backend<O>>,
    gate: Arc<Gate>,
    /// The peer of the connection that the calls come from.
    peer: Arc<Peer>,
    /// Cancelled when every call has to end. Connections do not share its lock.
    terminated: CancellationToken,
}

impl<O> Clone for CallService<O> {
    fn clone(&self) -> Self {
        self.of_peer(Arc::clone(&self.peer))
    }
}

impl<O> CallService<O> {
    /// The calls of one connection.
    pub(super) fn of_peer(&self, peer: Arc<Peer>) -> Self {
        Self {
            backend: Arc::clone(&self.backend),
            gate: Arc::clone(&self.gate),
            peer,
            terminated: self.gate.terminated.child_token(),
        }
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The response to a call.
pub(super) type CallFuture = BoxFuture<'static, Response<Reply>>;

impl<O: Unary> CallService<O> {
    /// Serves a call.
    pub(super) fn call<B>(&self, request: Request<B>) -> CallFuture
    where
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        if let Err(not_a_call) = protocol::check(&request) {
            let kind = not_a_call.as_str();
            return self.refused(kind, request.method().as_str(), move || {
                not_a_call.response().map(Reply::Library)
            });
        }
        if is_about_the_server(request.uri().path()) {
            return self.about(request.map(Body::new));
        }
        // Before the call gets a place and before its body is read.
        let presented = Presented {
            headers: request.headers(),
            peer: self.peer.certificate(),
        };
        match self
            .gate
            .callers
            .recognize(&presented, self.peer.credential())
        {
            Ok(caller) => self.admit(request, caller, Instant::now()),
            Err(rejected) if rejected.may_change() => match self.gate.callers.renewal(&presented) {
                Some(renewal) => self.clone().try_again(request, renewal).boxed(),
                None => self.reject(&request, rejected),
            },
            Err(rejected) => self.reject(&request, rejected),
        }
    }

    /// Authenticates a call once more, when what may prove its caller has come.
    async fn try_again<B>(
        self,
        request: Request<B>,
        renewal: impl Future<Output = ()> + Send,
    ) -> Response<Reply>
    where
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        let gate = Arc::clone(&self.gate);
        let begun = Instant::now();
        let deadline = begun + gate.timeouts.of(request.headers());
        let arrival = request.extensions().get::<Arrival>();
        renewal::wait(arrival, deadline, renewal, &gate.terminated).await;
        let presented = Presented {
            headers: request.headers(),
            peer: self.peer.certificate(),
        };
        let answered = match gate.callers.authenticate(&presented) {
            Ok(caller) => self.admit(request, caller, begun),
            Err(rejected) => self.reject(&request, rejected),
        };
        answered.await
    }

    /// Serves a call of a known caller that arrived at `begun`.
    fn admit<B>(&self, mut request: Request<B>, caller: Caller, begun: Instant) -> CallFuture
    where
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        self.peer.note_authenticated();
        let gate = &self.gate;
        let arrival = request.extensions_mut().remove::<Arrival>();
        let path = request.uri().path();
        let is_stream = self.backend.operations.is_stream(path);
        let time = if is_stream {
            deadline::of_stream(request.headers())
        } else {
            gate.timeouts.of(request.headers())
        };
        let deadline = begun + time;
        let holdings = self.peer.conduct().caller(caller.name(), &gate.shares);
        let queued = Arc::clone(&holdings.queued);
        let call_id = call_id::of(request.headers());
        let context = CallContext::new(call_id, deadline, arrival, queued);
        context.note_caller(&caller);
        let operation = gate.operations.of(path);
        let span = || span(operation.name(), context.call_id());
        let trace = gate.sampling.begin(request.headers(), span);
        let span = trace.span.clone();
        let ending = Ending::new(path, operation, &context, &gate.metrics, trace, begun);

        let refuse =
            |error, context, ending| std::future::ready(refuse(error, context, ending)).boxed();
        if gate.stopping.load(Ordering::Acquire) {
            return refuse(Error::ShuttingDown, &context, ending);
        }
        if protocol::is_compressed(request.headers()) {
            return refuse(Error::EncodingNotSupported, &context, ending);
        }
        let place = match gate.shares.admit(holdings, request.headers()) {
            Ok(place) => place,
            Err(exhausted) => return refuse(out_of_places(exhausted), &context, ending),
        };
        if is_stream {
            let (parts, body) = request.into_parts();
            let opened = Opened {
                service: self.clone(),
                head: parts,
                context,
                ending,
                span,
            };
            return std::future::ready(opened.begin(body, place)).boxed();
        }
        let admitted = Admitted {
            terminated: self.terminated.clone(),
            context,
            place,
            ending,
            span,
        };
        let backend = Arc::clone(&self.backend);
        let method = backend.operations.method(path);
        admitted.run(|context, place| match method {
            Some(method) => {
                let body = request.into_body();
                let operating = backend.operate(method, body, caller, context, place);
                operating.left_future()
            }
            None => {
                let routing = backend.route(request, caller, context, place);
                routing.boxed().right_future()
            }
        })
    }

    /// Serves a call about the server itself.
    fn about(&self, request: Request<Body>) -> CallFuture {
        let (gate, peer) = (Arc::clone(&self.gate), Arc::clone(&self.peer));
        let evicted = move || {
            // It has had its time, so it is answered at once.
            gate.strangers.refuse("health_evicted", "", &peer);
        };
        let serve = |request| self.backend.routes.clone().oneshot(request);
        let conduct = self.peer.conduct();
        let served = self.gate.about.serve(request, conduct, serve, evicted);
        served
            .map(|Ok(response)| response.map(Reply::Library))
            .boxed()
    }

    /// Answers a call without a valid credential.
    fn reject<B>(&self, request: &Request<B>, rejected: Rejected) -> CallFuture {
        let operation = self.gate.operations.of(request.uri().path());
        let identity = CallIdentity {
            call_id: call_id::of(request.headers()),
            ..CallIdentity::default()
        };
        let call_id = HeaderValue::from_str(&identity.call_id).ok();
        let failure = Error::from(rejected).into_failure(&identity);
        let reason = failure.reason().as_str_name();
        let code = failure.code_name();
        let source = || error_source(code, Some(reason));
        (self.gate.metrics).call_refused(operation, code, reason, source);
        let latest = identity.call_id.clone();
        self.refused(rejected.as_str(), &latest, move || {
            let mut response = reply::failure(failure.into_status(&identity));
            if let Some(call_id) = call_id {
                response.headers_mut().insert(CALL_ID, call_id);
            }
            response
        })
    }

    /// Counts a request that is refused because of its headers, and answers it when it is its turn.
    /// Until then it holds next to nothing: neither its headers nor its body.
    fn refused(
        &self,
        reason: &'static str,
        latest: &str,
        response: impl FnOnce() -> Response<Reply> + Send + 'static,
    ) -> CallFuture {
        match self.gate.strangers.refuse(reason, latest, &self.peer) {
            None => std::future::ready(response()).boxed(),
            Some(later) => async move {
                tokio::time::sleep_until(later).await;
                response()
            }
            .boxed(),
        }
    }
}

/// The span of a call, under OpenTelemetry's names for gRPC servers.
fn span(operation: &str, call_id: &str) -> Span {
    tracing::info_span!(
        target: telemetry::SPANS,
        "call",
        call_id,
        otel.name = operation,
        otel.kind = "server",
        otel.status_code = tracing::field::Empty,
        rpc.system.name = "grpc",
        rpc.method = operation,
        rpc.response.status_code = tracing::field::Empty,
        "error.type" = tracing::field::Empty,
    )
}
