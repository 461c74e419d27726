//! The layer around every call: id, deadline, caller, admission, panic, log line.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{HeaderName, HeaderValue, Request, Response};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};
use tracing::{Instrument, Span};

use super::call_id::{self, CALL_ID};
use super::deadline::Timeouts;
use super::ending::{Ending, Methods, operation};
use super::memory::{BodyEvent, CountedBody, RequestMemory};
use super::peer::Peer;
use super::renewal;
use super::settings::ServerSettings;
use crate::auth::{Caller, Callers, Presented};
use crate::call::margins::GRACE;
use crate::call::{Arrival, CallContext, Progress};
use crate::error::{self, Error, Interruption};
use crate::metrics::Metrics;
use crate::telemetry;

/// Services about the server itself. Their calls are not limited and not logged: probes would flood
/// the log.
const ABOUT_THE_SERVER: [&str; 2] = ["/grpc.health.", "/grpc.reflection."];

/// Whether a path is that of a call about the server itself.
pub(super) fn is_about_the_server(path: &str) -> bool {
    ABOUT_THE_SERVER
        .iter()
        .any(|service| path.starts_with(service))
}

/// The header of a response that comes from the ledger.
const REPLAYED: HeaderName = HeaderName::from_static("openlines-replayed");

#[derive(Clone, Debug)]
pub(super) struct CallLayer {
    gate: Arc<Gate>,
}

/// The state that all calls share.
#[derive(Debug)]
pub(super) struct Gate {
    timeouts: Timeouts,
    methods: Methods,
    callers: Callers,
    in_progress: Arc<Semaphore>,
    memory: Arc<RequestMemory>,
    maximum_request_bytes: usize,
    metrics: Metrics,
    stopping: AtomicBool,
    terminated: CancellationToken,
}

impl CallLayer {
    pub(super) fn new(
        timeouts: Timeouts,
        settings: &ServerSettings,
        methods: Methods,
        callers: Callers,
        metrics: Metrics,
    ) -> Self {
        let gate = Gate {
            timeouts,
            methods,
            callers,
            in_progress: Arc::new(Semaphore::new(settings.maximum_concurrent_calls)),
            memory: RequestMemory::new(settings.maximum_bytes_in_progress),
            maximum_request_bytes: settings.maximum_request_bytes,
            metrics,
            stopping: AtomicBool::new(false),
            terminated: CancellationToken::new(),
        };
        Self {
            gate: Arc::new(gate),
        }
    }

    /// Refuses new calls from now on.
    pub(super) fn stop(&self) {
        self.gate.stopping.store(true, Ordering::Release);
    }

    /// Answers every call in progress with what is known of its outcome. From a broken connection
    /// gRPC clients would conclude UNAVAILABLE.
    pub(super) fn terminate(&self) {
        self.gate.terminated.cancel();
    }
}

impl<S> Layer<S> for CallLayer {
    type Service = CallService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CallService {
            inner,
            gate: Arc::clone(&self.gate),
            peer: None,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct CallService<S> {
    inner: S,
    gate: Arc<Gate>,
    /// The peer of the connection that the calls come from.
    peer: Option<Arc<Peer>>,
}

impl<S: Clone> CallService<S> {
    /// The calls of one connection.
    pub(super) fn of_peer(&self, peer: Arc<Peer>) -> Self {
        Self {
            peer: Some(peer),
            ..self.clone()
        }
    }
}

impl<S> Service<Request<Body>> for CallService<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let arrival = request.extensions_mut().remove::<Arrival>();
        let path = request.uri().path();
        if is_about_the_server(path) {
            return self.inner.call(request).boxed();
        }

        let begun = Instant::now();
        let deadline = begun + self.gate.timeouts.of(request.headers());
        let context = CallContext::new(call_id::of(request.headers()), deadline, arrival);
        let span = span(operation(path, self.gate.methods), context.call_id());
        telemetry::adopt_parent(&span, request.headers());
        let trace_id = telemetry::trace_id(&span, request.headers());
        let ending = Ending::new(
            path,
            self.gate.methods,
            &context,
            &self.gate.metrics,
            span.clone(),
            trace_id,
            begun,
        );

        if self.gate.stopping.load(Ordering::Acquire) {
            return refuse(Error::ShuttingDown, &context, ending);
        }
        // Before the call gets a place and before its body is read.
        let presented = Presented {
            headers: request.headers(),
            peer: self.peer.as_deref().and_then(Peer::certificate),
        };
        let authenticated = self.gate.callers.authenticate(&presented);
        let renewal = match &authenticated {
            Err(rejected) if rejected.may_change() => self.gate.callers.renewal(&presented),
            Ok(_) | Err(_) => None,
        };
        let opened = Opened {
            context,
            span,
            ending,
            deadline,
        };
        match (authenticated, renewal) {
            (Ok(caller), _) => {
                let peer = self.peer.as_deref();
                opened.proceed(&self.gate, peer, &mut self.inner, caller, request)
            }
            (Err(rejected), None) => refuse(rejected.into(), &opened.context, opened.ending),
            (Err(_), Some(renewal)) => {
                let mut service = self.clone();
                async move {
                    let (gate, peer) = (&service.gate, service.peer.as_deref());
                    renewal::wait(&opened.context, opened.deadline, renewal, &gate.terminated)
                        .await;
                    let authenticated = gate.authenticate_again(peer, &request);
                    let answered = match authenticated {
                        Ok(caller) => {
                            opened.proceed(gate, peer, &mut service.inner, caller, request)
                        }
                        Err(error) => refuse(error, &opened.context, opened.ending),
                    };
                    answered.await
                }
                .boxed()
            }
        }
    }
}

impl Gate {
    /// Judges a call once more that has waited.
    fn authenticate_again(
        &self,
        peer: Option<&Peer>,
        request: &Request<Body>,
    ) -> Result<Caller, Error> {
        if self.stopping.load(Ordering::Acquire) {
            return Err(Error::ShuttingDown);
        }
        let presented = Presented {
            headers: request.headers(),
            peer: peer.and_then(Peer::certificate),
        };
        Ok(self.callers.authenticate(&presented)?)
    }
}

/// A call with all that it has before its caller is known.
struct Opened {
    context: CallContext,
    span: Span,
    ending: Ending,
    deadline: Instant,
}

impl Opened {
    /// Gives the call of a proven caller its place, and hands it to the service.
    fn proceed<S>(
        self,
        gate: &Arc<Gate>,
        peer: Option<&Peer>,
        inner: &mut S,
        caller: Caller,
        request: Request<Body>,
    ) -> BoxFuture<'static, Result<Response<Body>, S::Error>>
    where
        S: Service<Request<Body>, Response = Response<Body>>,
        S::Future: Send + 'static,
        S::Error: Send + 'static,
    {
        let Self {
            context,
            span,
            ending,
            deadline,
        } = self;
        context.note_caller(&caller);
        if let Some(peer) = peer {
            peer.note_authenticated();
        }
        let Ok(slot) = Arc::clone(&gate.in_progress).try_acquire_owned() else {
            return refuse(Error::Overloaded, &context, ending);
        };
        let Ok(bytes) = gate.memory.reserve(request.headers()) else {
            return refuse(Error::Overloaded, &context, ending);
        };

        let noted = context.clone();
        let mut request = request.map({
            let bytes = Arc::clone(&bytes);
            |body| CountedBody::of(body, bytes, move |event| note(&noted, event))
        });
        request.extensions_mut().insert(context.clone());
        request.extensions_mut().insert(caller);
        let response = AssertUnwindSafe(inner.call(request).instrument(span)).catch_unwind();
        let gate = Arc::clone(gate);
        async move {
            let _held = (slot, bytes);
            let answered = tokio::time::timeout_at(deadline + GRACE, response);
            let response = tokio::select! {
                biased;
                answered = answered => match answered {
                    Ok(Ok(response)) => translate(response?, &context, gate.maximum_request_bytes),
                    Ok(Err(_panic)) => interrupt(Interruption::Panicked, &context),
                    Err(_elapsed) => interrupt(Interruption::TimedOut, &context),
                },
                () = gate.terminated.cancelled() => interrupt(Interruption::Terminated, &context),
            };
            Ok(finish(response, &context, ending))
        }
        .boxed()
    }
}

fn note(context: &CallContext, event: BodyEvent) {
    match (event, context.arrival()) {
        (BodyEvent::Cut, _) => context.note_too_large(),
        (BodyEvent::Starved, Some(arrival)) => arrival.note_starved(true),
        (BodyEvent::Fed, Some(arrival)) => arrival.note_starved(false),
        (BodyEvent::Starved | BodyEvent::Fed, None) => {}
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

fn interrupt(why: Interruption, context: &CallContext) -> Response<Body> {
    fail(Error::interrupted(why, context.notes().progress), context)
}

fn refuse<E: Send + 'static>(
    error: Error,
    context: &CallContext,
    ending: Ending,
) -> BoxFuture<'static, Result<Response<Body>, E>> {
    let response = fail(error, context);
    let response = finish(response, context, ending);
    async move { Ok(response) }.boxed()
}

fn fail(error: Error, context: &CallContext) -> Response<Body> {
    let identity = context.identity();
    let failure = error.into_failure(&identity);
    failure.note(context);
    failure.into_status(&identity).into_http()
}

/// Adds our details to a status that the gRPC library made itself.
fn translate(
    response: Response<Body>,
    context: &CallContext,
    maximum_request_bytes: usize,
) -> Response<Body> {
    let status = error::status_in_headers(response.headers());
    let error = status
        .filter(|status| status.details().is_empty())
        .and_then(|status| {
            // After the request was read, the library's own failures concern the response.
            let notes = context.notes();
            if notes.progress != Progress::NotStarted {
                Some(Error::interrupted(Interruption::Panicked, notes.progress))
            } else if notes.is_too_large {
                Some(Error::Overloaded)
            } else {
                error::translate(&status, maximum_request_bytes)
            }
        });
    match error {
        Some(error) => fail(error, context),
        None => response,
    }
}

fn finish(mut response: Response<Body>, context: &CallContext, ending: Ending) -> Response<Body> {
    if let Ok(call_id) = HeaderValue::from_str(context.call_id()) {
        response.headers_mut().insert(CALL_ID, call_id);
    }
    if context.notes().is_replayed {
        let yes = HeaderValue::from_static("true");
        response.headers_mut().insert(REPLAYED, yes);
    }
    // A unary call fails in the headers; without a status there, it has succeeded.
    let status = error::status_in_headers(response.headers());
    ending.end(
        status
            .as_ref()
            .map_or("OK", |status: &Status| error::code_name(status.code())),
    );
    response
}
