//! The layer around services that fail in ways that ours should not.

use std::convert::Infallible;

use serde_json::Value;
use tower::service_fn;

use super::*;
use crate::auth::Auth;
use crate::error::{code_name, status_in_headers};
use crate::settings::{Document, Environment, Reader};

const METHODS: Methods = &[("a.B", "C")];

/// The layer with the default settings, and as many places.
fn layer(places: usize) -> CallLayer {
    let (document, environment) = (Document::without_file(Value::Null), Environment::default());
    let mut reader = Reader::new(&document, &environment);
    let mut settings = ServerSettings::read(&mut reader).unwrap();
    settings.maximum_concurrent_calls = places;
    let admission = AdmissionSettings::read(&mut reader).unwrap();
    let timeouts = Timeouts {
        default: settings.default_deadline,
        maximum: settings.maximum_deadline,
    };
    let callers = Callers::new(&Auth::DangerousNone);
    let metrics = Metrics::new().unwrap();
    CallLayer::new(timeouts, &settings, &admission, METHODS, callers, metrics)
}

fn request() -> Request<Body> {
    let request = Request::post("/a.B/C").header("content-type", "application/grpc");
    request.body(Body::empty()).unwrap()
}

#[tokio::test]
async fn a_call_that_panics_fails_alone_and_frees_its_place() {
    let layer = layer(1);
    let mut service = layer.layer(service_fn(|_request| async {
        panic!("as no service should");
        #[expect(unreachable_code, reason = "gives the type of the response")]
        Ok::<Response<Body>, Infallible>(Response::new(Body::empty()))
    }));
    for _ in 0..3 {
        let response = service.call(request()).await.unwrap();
        let status = status_in_headers(response.headers()).unwrap();
        assert_eq!(code_name(status.code()), "INTERNAL");
        assert!(!status.details().is_empty());
        assert!(!status.message().contains("as no service"), "{status}");
    }
    let shares = &layer.gate.shares;
    assert_eq!(shares.of("anonymous").calls.amount(), 0);
}

#[tokio::test]
async fn a_service_finds_the_caller_with_the_request() {
    let layer = layer(1);
    let mut service = layer.layer(service_fn(|request: Request<Body>| async move {
        let caller = request.extensions().get::<Caller>().unwrap();
        assert_eq!(caller.name(), "anonymous");
        Ok::<_, Infallible>(Response::new(Body::empty()))
    }));
    let response = service.call(request()).await.unwrap();
    assert!(status_in_headers(response.headers()).is_none());
}
