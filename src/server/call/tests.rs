//! The layer around services that fail in ways that ours should not.

use std::convert::Infallible;
use std::sync::atomic::AtomicUsize;

use http_body_util::{BodyExt, Full};
use serde_json::Value;
use tonic::Status;
use tower::service_fn;
use tower::util::BoxCloneSyncService;
use tracing_subscriber::layer::SubscriberExt;

use super::*;
use crate::auth::Auth;
use crate::error::{code_name, status_in_headers};
use crate::server::unary::Item;
use crate::settings::{Document, Environment, Reader};

const METHODS: Methods = &[("a.B", "C")];

/// The layer with the default settings, and as many places.
fn layer(places: usize) -> CallLayer {
    tracing_layer(places, None)
}

/// The same, and of so many percent of the calls there are traces.
fn tracing_layer(places: usize, percent: Option<u8>) -> CallLayer {
    let (document, environment) = (Document::without_file(Value::Null), Environment::default());
    let mut reader = Reader::new(&document, &environment);
    let mut settings = ServerSettings::read(&mut reader).unwrap();
    settings.maximum_concurrent_calls = places;
    let admission = AdmissionSettings::read(&mut reader).unwrap();
    let streams = StreamSettings::read(&mut reader).unwrap();
    let timeouts = Timeouts {
        default: settings.default_deadline,
        maximum: settings.maximum_deadline,
    };
    let callers = Callers::new(&Auth::DangerousNone);
    let metrics = Metrics::new().unwrap();
    let telling = (metrics, Sampling { percent });
    CallLayer::new(
        timeouts,
        &settings,
        (&admission, streams),
        METHODS,
        callers,
        telling,
    )
}

/// Operations that fail as no service should.
struct Panics;

impl Unary for Panics {
    type Method = ();
    type Call = ();

    fn method(&self, path: &str) -> Option<()> {
        (path == "/a.B/C").then_some(())
    }

    fn is_stream(&self, path: &str) -> bool {
        path == "/a.B/Stream"
    }

    fn item(&self, message: Bytes) -> Option<Item<()>> {
        Some(Item {
            key: String::from_utf8(message.to_vec()).ok()?,
            timeout: None,
            call: Some(()),
        })
    }

    fn path((): &()) -> String {
        "/a.B/C".to_owned()
    }

    async fn answer_item(
        &self,
        _key: &str,
        (): (),
        _caller: Caller,
        _context: &CallContext,
    ) -> Result<Bytes, Status> {
        panic!("as no service should");
    }

    fn item_failed(key: &str, status: &Status) -> Bytes {
        format!("{key}: {}", code_name(status.code())).into()
    }

    async fn answer(
        &self,
        (): (),
        _message: Bytes,
        _caller: Caller,
        _context: &CallContext,
    ) -> Result<Bytes, Status> {
        panic!("as no service should");
    }
}

fn routes<F>(answer: fn(Request<Body>) -> F) -> LibraryRoutes
where
    F: Future<Output = Result<Response<Body>, Infallible>> + Send + 'static,
{
    BoxCloneSyncService::new(service_fn(answer))
}

fn request(path: &str) -> Request<Full<Bytes>> {
    let request = Request::post(path).header("content-type", "application/grpc");
    request
        .body(Full::new(Bytes::from_static(&[0; 5])))
        .unwrap()
}

#[tokio::test]
async fn a_call_that_panics_fails_alone_and_frees_its_place() {
    let layer = layer(1);
    let routes = routes(|_request| async {
        panic!("as no service should");
        #[expect(unreachable_code, reason = "gives the type of the response")]
        Ok(Response::new(Body::empty()))
    });
    let service = layer.calls(Panics, routes);
    for path in ["/a.B/C", "/a.B/D", "/a.B/C"] {
        let response = service.call(request(path)).await;
        let status = status_in_headers(response.headers()).unwrap();
        assert_eq!(code_name(status.code()), "INTERNAL");
        assert!(!status.details().is_empty());
        assert!(!status.message().contains("as no service"), "{status}");
    }
    let shares = &layer.gate.shares;
    assert_eq!(shares.of("anonymous").calls.amount(), 0);
}

#[tokio::test]
async fn items_that_panic_fail_alone_and_one_place_is_enough_for_their_stream() {
    let layer = layer(1);
    let routes = routes(|_request| async { Ok(Response::new(Body::empty())) });
    let service = layer.calls(Panics, routes);
    let two = Bytes::from_static(&[0, 0, 0, 0, 1, b'a', 0, 0, 0, 0, 1, b'b']);
    let request = request("/a.B/Stream").map(|_| Full::new(two));
    let response = service.call(request).await;
    let answered = response.into_body().collect().await.unwrap();
    assert_eq!(answered.trailers().unwrap()["grpc-status"], "0");
    let shares = Arc::clone(&layer.gate.shares);
    while shares.of("anonymous").calls.amount() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(shares.of("anonymous").bytes.amount(), 0);
    assert_eq!(answered.to_bytes(), "a: INTERNALb: INTERNAL");
}

#[tokio::test]
async fn a_service_finds_the_caller_with_the_request() {
    let routes = routes(|request| async move {
        let caller = request.extensions().get::<Caller>().unwrap();
        assert_eq!(caller.name(), "anonymous");
        Ok(Response::new(Body::empty()))
    });
    let service = layer(1).calls(Panics, routes);
    let response = service.call(request("/a.B/D")).await;
    assert!(status_in_headers(response.headers()).is_none());
}

/// Counts the spans that are built.
#[derive(Clone, Default)]
struct Spans(Arc<AtomicUsize>);

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Spans {
    fn on_new_span(
        &self,
        _: &tracing::span::Attributes<'_>,
        _: &tracing::Id,
        _: tracing_subscriber::layer::Context<'_, S>,
    ) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn only_a_call_that_is_traced_has_a_span() {
    let spans = Spans::default();
    let subscriber = tracing_subscriber::registry().with(spans.clone());
    let _traces = tracing::subscriber::set_default(subscriber);
    for (percent, parent, expected) in [
        (None, None, 0),
        (None, Some("01"), 0),
        (Some(0), None, 0),
        (Some(100), None, 1),
        (Some(100), Some("00"), 0),
        (Some(0), Some("01"), 1),
    ] {
        let routes = routes(|_request| async {
            let traced = (!Span::current().is_disabled()).to_string();
            let response = Response::builder().header("traced", traced);
            Ok(response.body(Body::empty()).unwrap())
        });
        let service = tracing_layer(1, percent).calls(Panics, routes);
        let mut request = request("/a.B/D");
        if let Some(flags) = parent {
            let parent = format!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{flags}");
            let headers = request.headers_mut();
            headers.insert("traceparent", parent.parse().unwrap());
        }
        let before = spans.0.load(Ordering::Relaxed);
        let response = service.call(request).await;
        assert_eq!(response.headers()["traced"], (expected == 1).to_string());
        let built = spans.0.load(Ordering::Relaxed) - before;
        assert_eq!(built, expected, "{percent:?} {parent:?}");
    }
}
