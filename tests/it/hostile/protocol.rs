//! Requests that are no calls of gRPC.

use http::{Method, StatusCode};

use super::answered;
use crate::support::World;
use crate::support::raw::{RawClient, SERVICE};

#[tokio::test]
async fn what_is_no_call_is_told_so_in_http_whoever_asks() {
    let world = World::start().await;
    let client = RawClient::connect(world.service.address).await;
    let key = format!("Bearer {}", world.service.key.expose());
    let operation = format!("{SERVICE}/SendCrmMessage");
    let (grpc, health) = ("application/grpc", "/grpc.health.v1.Health/Check");
    for (method, path, content_type, expected) in [
        (Method::GET, &*operation, grpc, 405),
        (Method::GET, "/", "", 405),
        (Method::PUT, health, grpc, 405),
        (Method::OPTIONS, "/", "", 405),
        (Method::POST, &operation, "application/json", 415),
        (Method::POST, &operation, "application/grpc-web+proto", 415),
        (Method::POST, &operation, "application/grpc+json", 415),
        (Method::POST, health, "application/json", 415),
        (Method::POST, &operation, "", 415),
    ] {
        for authorization in [None, Some(&*key)] {
            let mut request = http::Request::builder()
                .method(method.clone())
                .uri(format!("http://service{path}"));
            for (name, value) in [
                (
                    "content-type",
                    Some(content_type).filter(|text| !text.is_empty()),
                ),
                ("authorization", authorization),
            ] {
                if let Some(value) = value {
                    request = request.header(name, value);
                }
            }
            let response = client.send(request).await;
            let what = format!("{method} {path} {content_type:?}");
            assert_eq!(
                response.status(),
                StatusCode::from_u16(expected).unwrap(),
                "{what}"
            );
            if expected == 405 {
                assert_eq!(response.headers()["allow"], "POST");
            }
        }
    }
    answered(&world).await;
    assert_eq!(world.sandbox.record().entries.len(), 1);
}
